"""Intervals against published values and against scipy.stats."""

import math

import numpy as np
import pytest
from scipy import stats

from fashionbench.analysis.statistics import estimate


def test_the_interval_is_students() -> None:
    found = estimate([1.0, 2.0, 3.0, 4.0, 5.0])
    # t(0.975, 4) = 2.776 (any table), standard error sqrt(2.5 / 5).
    half = 2.776445 * math.sqrt(2.5 / 5)
    assert found.mean == 3
    assert found.low == pytest.approx(3 - half)
    assert found.high == pytest.approx(3 + half)
    assert found.n == 5


def test_the_interval_is_that_of_scipy_stats_to_the_last_bit() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        n, spread = int(rng.integers(2, 30)), 10.0 ** rng.integers(-6, 3)
        values = (rng.normal() + spread * rng.normal(size=n)).tolist()
        found = estimate(values)
        expected = stats.t.interval(0.95, n - 1, loc=np.mean(values), scale=stats.sem(values))
        assert (found.low, found.high) == expected


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
