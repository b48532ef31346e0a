"""Intervals against published values."""

import math

import pytest

from fashionbench.analysis.statistics import estimate


def test_the_interval_is_students() -> None:
    found = estimate([1.0, 2.0, 3.0, 4.0, 5.0])
    # t(0.975, 4) = 2.776 (any table), standard error sqrt(2.5 / 5).
    half = 2.776445 * math.sqrt(2.5 / 5)
    assert found.mean == 3
    assert found.low == pytest.approx(3 - half)
    assert found.high == pytest.approx(3 + half)
    assert found.n == 5


def test_a_single_seed_has_no_interval() -> None:
    found = estimate([0.5])
    assert (found.mean, found.n) == (0.5, 1)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_equal_values_have_an_interval_without_width() -> None:
    found = estimate([0.1, 0.1, 0.1])
    assert found.low == pytest.approx(0.1)
    assert found.high == pytest.approx(0.1)


def test_nothing_cannot_be_estimated() -> None:
    with pytest.raises(ValueError, match="at least one value"):
        estimate([])
