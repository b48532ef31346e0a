"""Intervals against published values and against scipy.stats."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from fashionbench.analysis.statistics import estimate, median_interval, prediction_interval


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
        expected: Any = stats.t.interval(0.95, n - 1, loc=np.mean(values), scale=stats.sem(values))
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


def test_another_confidence_has_another_quantile() -> None:
    found = estimate([1.0, 2.0, 3.0, 4.0, 5.0], confidence=0.99)
    assert found.high - found.mean == pytest.approx(4.604095 * math.sqrt(2.5 / 5))


def test_prediction_intervals_hold_the_next_value_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    trials = 4000
    hits = 0
    for values in rng.normal(0.88, 0.01, size=(trials, 6)):
        low, high = prediction_interval(values[:5].tolist())
        hits += low < values[5] < high
    # Four standard errors of a share of 0.95.
    assert hits / trials == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / trials))
    assert all(math.isnan(end) for end in prediction_interval([0.5]))


@pytest.mark.parametrize(("n", "rank"), [(6, 1), (8, 1), (9, 2), (20, 6), (40, 14)])
def test_the_median_has_the_interval_of_published_tables(n: int, rank: int) -> None:
    median, low, high = median_interval([float(value) for value in range(n, 0, -1)])
    assert (median, low, high) == ((n + 1) / 2, rank, n + 1 - rank)
    expected: Any = stats.quantile_test(range(1, n + 1), p=0.5).confidence_interval(0.95)
    assert (low, high) == (expected.low, expected.high)


def test_five_values_have_no_such_interval() -> None:
    median, low, high = median_interval([3.0, 1.0, 2.0, 5.0, 4.0])
    assert median == 3
    assert math.isnan(low)
    assert math.isnan(high)
