"""Verdicts on claims: by three answers together, and as one family of tests."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import pytest
from made_up import MadeUp, near, results
from scipy.stats import ttest_1samp

from fashionbench.analysis.conditions import Claim, Comparison, Condition, Verdict
from fashionbench.analysis.evidence import Decision, Evidence
from fashionbench.analysis.examined import examine, judge_family
from fashionbench.analysis.results import Results
from fashionbench.analysis.verdicts import judge

NOTHING = Results(curves={}, scores={"any": pd.DataFrame()}, weights={})
FIVE_PERCENT = 0.05


def condition(
    *columns: Sequence[float],
    low: float = -math.inf,
    high: float = math.inf,
    reported: float | None = None,
) -> Condition:
    """Make a condition on made-up values, a column per comparison."""
    found = [Comparison(str(place), (), pd.Series(values)) for place, values in enumerate(columns)]
    return Condition("a made-up effect", lambda _: found, "points", low, high, reported)


def decide(*conditions: Condition, level: float = FIVE_PERCENT) -> Decision:
    evidence = examine(Claim(1, "words", conditions, "why"), NOTHING).evidence
    assert evidence is not None
    return evidence.decide(level)


SCATTERED = [0.01, 0.01, 0.02, 0.03, 0.03]
"""Student's t interval is 0.02 +- 0.0124 (2.776 standard errors)."""


@pytest.mark.parametrize(
    ("values", "low", "high", "decision"),
    [
        (SCATTERED, 0.007, math.inf, "reproduced"),
        (SCATTERED, 0.008, math.inf, "inconclusive"),
        (SCATTERED, 0.032, math.inf, "inconclusive"),
        (SCATTERED, 0.033, math.inf, "contradicted"),
        (SCATTERED, -math.inf, 0.033, "reproduced"),
        (SCATTERED, -math.inf, 0.007, "contradicted"),
        (SCATTERED, 0.007, 0.033, "reproduced"),
        (SCATTERED, 0.01, 0.033, "inconclusive"),
        ([0.0, 0.0, 0.0], 0.0, math.inf, "contradicted"),
        ([0.1, 0.1, 0.1], 0.0, math.inf, "reproduced"),
        ([0.5, 0.5], 0.0, math.inf, "inconclusive"),
        ([0.5], 0.0, math.inf, "inconclusive"),
    ],
)
def test_the_interval_of_the_mean_is_one_answer(
    values: list[float], low: float, high: float, decision: Decision
) -> None:
    assert decide(condition(values, low=low, high=high)) == decision


@pytest.mark.parametrize("bounds", [{"low": 0.0}, {"high": 0.0}])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_p_value_may_be_as_small_as_it_likes(bounds: dict[str, float], sign: int) -> None:
    values = [sign * (1 + value / 10) for value in SCATTERED * 4]
    claim = Claim(1, "words", (condition(values, **bounds),), "why")
    evidence = examine(claim, NOTHING).evidence
    assert evidence is not None
    expected = ttest_1samp(values, 0).pvalue
    assert 0 < expected < 1e-40
    assert evidence.p() == pytest.approx(expected, abs=0)


@pytest.mark.parametrize(
    ("values", "low", "high", "decision"),
    [
        # All means lie at 0.04 or further from 0, by four standard errors and more.
        ([-0.001] * 60 + [0.1] * 40, 0.0, math.inf, "inconclusive"),
        ([0.001] * 60 + [-0.1] * 40, 0.0, math.inf, "inconclusive"),
        ([0.001] * 40 + [0.1] * 60, 0.0, math.inf, "reproduced"),
    ],
)
def test_most_single_seeds_have_to_agree(
    values: list[float], low: float, high: float, decision: Decision
) -> None:
    assert decide(condition(values, low=low, high=high)) == decision


def test_the_reports_number_has_to_agree_with_single_runs() -> None:
    values = [0.88, 0.881, 0.882, 0.879, 0.878]
    # The prediction interval is 0.88 +- 0.0048, the interval of the mean 0.88 +- 0.002.
    for reported, decision in ((0.884, "reproduced"), (0.886, "inconclusive")):
        assert decide(condition(values, low=0.87, high=0.89, reported=reported)) == decision
    for reported, decision in ((0.886, "contradicted"), (0.884, "inconclusive")):
        bounds = {"low": reported - 0.001, "high": reported + 0.001}
        assert decide(condition(values, reported=reported, **bounds)) == decision


def test_all_comparisons_have_to_be_within_bounds_and_any_outside_is_corrected() -> None:
    clear, unclear = [0.02, 0.021, 0.022], [0.01, -0.01, 0.03]
    assert decide(condition(clear, low=0)) == "reproduced"
    assert decide(condition(clear, clear, low=0)) == "reproduced"
    assert decide(condition(clear, unclear, low=0)) == "inconclusive"
    # -0.02 +- 0.0124 lies outside, but it may be one of ten by chance.
    below = [-value for value in SCATTERED]
    assert decide(condition(below, low=-0.007)) == "contradicted"
    others = [SCATTERED] * 9
    assert decide(condition(below, *others, low=-0.007)) == "inconclusive"
    assert decide(condition(below, *others, low=0.02)) == "contradicted"


def test_a_claim_needs_all_its_conditions() -> None:
    yes, no = condition([0.1, 0.1, 0.2], low=-0.05), condition([-0.5, -0.5, -0.6], low=-0.05)
    open_one = condition([-1, 0.5, 1], low=-0.05)
    assert decide(yes, yes) == "reproduced"
    assert decide(yes, open_one) == "inconclusive"
    assert decide(open_one, no) == "contradicted"
    assert decide(yes, no) == "contradicted"


def test_the_claims_of_an_arm_are_one_family_of_tests() -> None:
    # p = 0.011: significant alone and beside four certain claims, but not beside four open ones.
    claim = Claim(1, "words", [condition(SCATTERED, low=0.0)], "why")
    certain = Claim(2, "words", [condition([0.5, 0.51, 0.52, 0.5, 0.5], low=0.0)], "why")
    opened = Claim(3, "words", [condition([-1, 0.5, 1, 0, 0], low=0.0)], "why")

    def first_of(*claims: Claim) -> Verdict:
        return judge_family([examine(one, NOTHING) for one in claims])[0].verdict

    assert first_of(claim) == "reproduced"
    assert first_of(claim, *[certain] * 4) == "reproduced"
    assert first_of(claim, *[opened] * 4) == "inconclusive"


def test_unequal_seeds_are_compared_where_both_have_them() -> None:
    one, other = pd.Series({0: 0.3, 1: 0.4, 2: 0.5}), pd.Series({1: 0.1, 2: 0.1, 3: 0.1})
    found = [[Comparison("", (), one, other)]]
    evidence = Evidence.of([condition(low=0.0)], found)
    assert evidence.values.ravel().tolist() == pytest.approx([0.3, 0.4])


def about_weights(networks: dict[str, MadeUp]) -> tuple[Verdict, str]:
    from fashionbench.analysis.claims import CLAIMS

    record = judge(CLAIMS, results(networks)).claims[12]
    return record.verdict, record.remark


def test_weights_of_a_network_that_learned_nothing_make_a_claim_vacuous() -> None:
    sparse = MadeUp(near_zero=near(0.5))
    assert about_weights({"n6_l1": sparse}) == ("reproduced", "")
    collapsed = replace(sparse, accuracy=(0.1,) * 5)
    assert about_weights({"n6_l1": collapsed}) == ("vacuous", "true, but n6_l1 learned nothing")
    # What is not true is not true of a collapsed network either.
    wrong = replace(collapsed, near_zero=tuple(near(0.05)))
    assert about_weights({"n6_l1": wrong})[0] == "contradicted"
