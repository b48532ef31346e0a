"""Intervals and tests against published values, definitions, scipy.stats and simulations."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from fashionbench.analysis.statistics import (
    ALPHA,
    MOST_SEEDS,
    Effects,
    assurance,
    estimate,
    exact_interval,
    holm,
    mcnemar,
    median_interval,
    seeds_needed,
)

MANY = 10**9
"""As many seeds leave nothing open: assurance is then power."""


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
    assert np.isnan([found.low, found.high]).all()
    assert np.isinf(Effects.of_runs(np.array([0.5])).interval()).all()


def test_nothing_cannot_be_estimated() -> None:
    with pytest.raises(ValueError, match="at least one value"):
        estimate([])


def test_prediction_intervals_hold_the_next_value_as_often_as_they_say() -> None:
    trials = 4000
    values = np.random.default_rng(0).normal(0.88, 0.01, size=(trials, 6))
    low, high = Effects.of_runs(values[:, :5]).predicted()
    hits = (low < values[:, 5]) & (values[:, 5] < high)
    # Four standard errors of a share of 0.95.
    assert hits.mean() == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / trials))


def test_effects_are_tested_as_scipy_stats_tests_them() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(0.3, 1, (20, 5)), rng.normal(0, 3, (20, 9))
    expected: Any = stats.ttest_ind(first, second, axis=1, equal_var=False)
    found = Effects.of_runs(first).minus(Effects.of_runs(second))
    tails = np.minimum(found.tail(0, 1), found.tail(0, -1))
    assert 2 * tails == pytest.approx(expected.pvalue)
    ends = expected.confidence_interval()
    assert np.stack(found.interval()) == pytest.approx(np.stack([ends.low, ends.high]))
    alone: Any = stats.ttest_1samp(first, 0.1, axis=1, alternative="greater")
    assert Effects.of_runs(first).tail(0.1, 1) == pytest.approx(alone.pvalue)


@pytest.mark.parametrize(("n", "rank"), [(6, 1), (8, 1), (9, 2), (20, 6), (40, 14)])
def test_the_median_has_the_interval_of_published_tables(n: int, rank: int) -> None:
    median, low, high = median_interval([float(value) for value in range(n, 0, -1)])
    assert (median, low, high) == ((n + 1) / 2, rank, n + 1 - rank)
    expected: Any = stats.quantile_test(range(1, n + 1), p=0.5).confidence_interval(0.95)
    assert (low, high) == (expected.low, expected.high)


def test_five_values_have_no_such_interval() -> None:
    median, *ends = median_interval([3.0, 1.0, 2.0, 5.0, 4.0])
    assert median == 3
    assert np.isnan(ends).all()


def test_holms_procedure_on_an_example_by_hand() -> None:
    # 4 * 0.005, 3 * 0.01, 2 * 0.03, and the same again, since p-values may not fall.
    adjusted, levels = holm(np.array([0.01, 0.04, 0.03, 0.005]))
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])
    # Two stay open: they are tested at 0.05 / 2, and each of the others at 0.05 / 3.
    assert levels == pytest.approx([0.05 / 3, 0.025, 0.025, 0.05 / 3])
    assert [len(none) for none in holm(np.array([]))] == [0, 0]


def test_a_test_is_significant_at_its_level_exactly_if_its_adjusted_p_value_is() -> None:
    rng = np.random.default_rng(0)
    families = rng.uniform(size=(12, 50)) ** 3
    adjusted, levels = holm(families)
    assert np.array_equal(families <= levels, adjusted <= ALPHA)
    assert 0 < (adjusted <= ALPHA).mean() < 1
    # Families that are judged at a time, and one by itself.
    assert np.array_equal(holm(families[:, 7])[0], adjusted[:, 7])


def test_exact_intervals_are_those_of_clopper_and_pearson() -> None:
    for n in (1, 5, 40):
        for successes in range(n + 1):
            found: Any = stats.binomtest(successes, n).proportion_ci(0.95, method="exact")
            assert exact_interval(successes, n) == pytest.approx((found.low, found.high))


def test_mcnemars_test_is_a_binomial_test_of_the_images_that_differ() -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.uniform(size=(2, 300)) < share for share in (0.9, 0.8))
    found = mcnemar(first, second)
    for one, other in itertools.product(range(2), range(2)):
        right, wrong = first[one], second[other]
        only_first, only_second = int((right & ~wrong).sum()), int((wrong & ~right).sum())
        expected = stats.binomtest(only_first, only_first + only_second).pvalue
        assert found[one, other] == pytest.approx(expected)
    assert mcnemar(first, first)[0, 0] == 1


def test_the_number_of_seeds_is_that_of_published_tables() -> None:
    # One-sided one-sample t test of d = 0.5 at 5%: 27 for a power of 80% (Cohen 1988; G*Power).
    assert seeds_needed([0.5], MANY, 0.05, 0.8) == 27
    assert seeds_needed([5.0], MANY, 0.05, 0.8) == 3
    # Of two bounds each is met with 90%.
    assert seeds_needed([0.5, 0.5], MANY, 0.05, 0.8) == 36


def test_assurance_counts_what_few_seeds_leave_open() -> None:
    """Against a simulation of the whole: true effects that may be, new seeds, their tests."""
    rng, n, number, effect, level = np.random.default_rng(0), 5, 12, 0.9, 0.025
    trials = 20_000
    scale = np.sqrt(rng.chisquare(n - 1, trials) / (n - 1))
    true = effect * scale + rng.normal(size=trials) / np.sqrt(n)
    fresh = rng.normal(true[:, None], 1.0, (trials, number))
    p_values = stats.ttest_1samp(fresh, 0, axis=1, alternative="greater").pvalue
    found = assurance([effect], n, level, number)
    assert found == pytest.approx(float(np.mean(p_values <= level)), abs=0.02)
    assert found < assurance([effect], MANY, level, number) - 0.1
    assert seeds_needed([effect], n, level, 0.8) is not None
    # A mean that may as well lie on the other side is never likely to be shown.
    assert seeds_needed([0.3], n, level, 0.8) is None


def test_what_no_number_of_seeds_decides_has_none() -> None:
    assert seeds_needed([-0.1], MANY, 0.05, 0.5) is None
    assert seeds_needed([1.0, -0.1], MANY, 0.05, 0.5) is None
    assert seeds_needed([1e-4], MANY, 0.05, 0.8) is None
    few = seeds_needed([0.05], MANY, 0.05, 0.8)
    assert few is not None
    assert few < MOST_SEEDS
