"""Tests and exact intervals against published values, definitions and other implementations."""

import itertools

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_1samp
from statsmodels.stats.contingency_tables import mcnemar as of_table

from fashionbench.analysis.intervals import (
    ALPHA,
    MOST_SEEDS,
    assurance,
    exact_interval,
    holm,
    mcnemar,
    seeds_needed,
)

MANY = 10**9
"""As many seeds leave nothing open: assurance is then power."""


def test_holms_procedure_on_an_example_by_hand() -> None:
    # 4 * 0.005, 3 * 0.01, 2 * 0.03, and the same again, since p-values may not fall.
    adjusted = holm([0.01, 0.04, 0.03, 0.005])
    assert [one.p for one in adjusted] == pytest.approx([0.03, 0.06, 0.06, 0.02])
    # Two stay open: they are tested at 0.05 / 2, and each of the others at 0.05 / 3.
    assert [one.level for one in adjusted] == pytest.approx([0.05 / 3, 0.025, 0.025, 0.05 / 3])
    assert holm([]) == []


def test_a_test_is_significant_at_its_level_exactly_if_its_adjusted_p_value_is() -> None:
    rng = np.random.default_rng(0)
    significant = set()
    # Few: each call of statsmodels collects garbage, which takes a tenth of a second.
    for _ in range(8):
        p_values = (rng.uniform(size=rng.integers(1, 16)) ** 3).tolist()
        for p, adjusted in zip(p_values, holm(p_values), strict=True):
            assert (p <= adjusted.level) == (adjusted.p <= ALPHA)
            significant.add(p <= adjusted.level)
    assert significant == {True, False}


def test_exact_intervals_are_those_of_clopper_and_pearson() -> None:
    # Of 0 among n the upper end is 1 - 0.025^(1/n); of n among n the lower is 0.025^(1/n).
    assert exact_interval(0, 5) == pytest.approx((0, 1 - 0.025**0.2))
    assert exact_interval(5, 5) == pytest.approx((0.025**0.2, 1))
    # Of 4 among 10: any table.
    assert exact_interval(4, 10) == pytest.approx((0.1216, 0.7376), abs=1e-4)


def test_mcnemars_test_is_a_binomial_test_of_the_images_that_differ() -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.uniform(size=(2, 300)) < share for share in (0.9, 0.8))
    found = mcnemar(first, second)
    for one, other in itertools.product(range(2), range(2)):
        right, wrong = first[one], second[other]
        counts = [[(a & b).sum() for b in (wrong, ~wrong)] for a in (right, ~right)]
        only_first, only_second = int(counts[0][1]), int(counts[1][0])
        expected = binomtest(only_first, only_first + only_second).pvalue
        assert found[one, other] == pytest.approx(expected)
        assert found[one, other] == pytest.approx(of_table(counts, exact=True).pvalue)
    assert mcnemar(first, first)[0, 0] == 1


def test_the_number_of_seeds_is_that_of_published_tables() -> None:
    # One-sided one-sample t test of d = 0.5 at 5%: 27 for a power of 80% (Cohen 1988; G*Power).
    assert seeds_needed([0.5], MANY, 0.05, 0.8) == 27
    assert seeds_needed([5.0], MANY, 0.05, 0.8) == 3


def test_assurance_counts_what_few_seeds_leave_open() -> None:
    """Against a simulation of the whole: true effects that may be, new seeds, their tests."""
    rng, n, number, effect, level = np.random.default_rng(0), 5, 12, 0.9, 0.025
    trials = 20_000
    scale = np.sqrt(rng.chisquare(n - 1, trials) / (n - 1))
    true = effect * scale + rng.normal(size=trials) / np.sqrt(n)
    fresh = rng.normal(true[:, None], 1.0, (trials, number))
    p_values = ttest_1samp(fresh, 0, axis=1, alternative="greater").pvalue
    found = assurance([effect], n, level, number)
    assert found == pytest.approx(float(np.mean(p_values <= level)), abs=0.02)
    assert found < assurance([effect], MANY, level, number) - 0.1
    assert seeds_needed([effect], n, level, 0.8) is not None
    # A mean that may as well lie on the other side is never likely to be shown.
    assert seeds_needed([0.3], n, level, 0.8) is None


def test_a_test_of_equivalence_needs_more_seeds_than_one_bound() -> None:
    one, both = (seeds_needed(effects, MANY, 0.05, 0.8) for effects in ([0.5], [0.5, 0.5]))
    assert one is not None
    assert both is not None
    # Each bound is then met with 90%: 36 by the same tables.
    assert (one, both) == (27, 36)


def test_what_no_number_of_seeds_decides_has_none() -> None:
    assert seeds_needed([-0.1], MANY, 0.05, 0.5) is None
    assert seeds_needed([1.0, -0.1], MANY, 0.05, 0.5) is None
    assert seeds_needed([1e-4], MANY, 0.05, 0.8) is None
    few = seeds_needed([0.05], MANY, 0.05, 0.8)
    assert few is not None
    assert few < MOST_SEEDS
