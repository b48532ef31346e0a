"""Verdicts on claims: by three answers together, and as one family of tests."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up import CLAIMS, MadeUp, near, results
from scipy.stats import t, ttest_1samp, ttest_ind

from fashionbench.analysis.results import Results
from fashionbench.claims.judging import judge
from fashionbench.claims.language import Verdict
from fashionbench.claims.quantities import Claim, Comparison, Condition
from fashionbench.claims.rule import Decision, Evidence, examine, judge_family
from fashionbench.claims.sensitivity import ALL, CHOICES, with_multiverse
from fashionbench.claims.words import describe_runs

NOTHING = Results(curves={}, scores={"any": pd.DataFrame()}, weights={})


def condition(
    *columns: Sequence[float],
    low: float = -math.inf,
    high: float = math.inf,
    reported: float | None = None,
) -> Condition:
    """Make a condition on made-up values, a column per comparison."""
    found = [Comparison(str(place), (), pd.Series(values)) for place, values in enumerate(columns)]
    return Condition("a made-up effect", lambda _: found, "points", low, high, reported)


def evidence_of(*conditions: Condition) -> Evidence:
    evidence = examine(Claim("1", "words", conditions, "why"), NOTHING).evidence
    assert evidence is not None
    return evidence


def decide(*conditions: Condition) -> Decision:
    return evidence_of(*conditions).decide(0.05)


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
    expected = ttest_1samp(values, 0).pvalue
    assert 0 < expected < 1e-40
    assert evidence_of(condition(values, **bounds)).p() == pytest.approx(expected, abs=0)


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
    # The prediction interval is 0.88 +- 0.0048, the interval of the mean 0.88 +- 0.002, and numbers
    # stand for all that round to them.
    for reported, decision in ((0.885, "reproduced"), (0.886, "mixed")):
        assert decide(condition(values, low=0.87, high=0.895, reported=reported)) == decision
    for reported, decision in ((0.886, "contradicted"), (0.884, "mixed")):
        bounds = {"low": reported - 0.001, "high": reported + 0.001}
        assert decide(condition(values, reported=reported, **bounds)) == decision


def test_a_number_from_other_images_may_lie_further_away() -> None:
    values = [0.88, 0.881, 0.882, 0.879, 0.878]
    effect = condition(values, low=0.86, high=0.90, reported=0.888)
    assert decide(effect) == "mixed"
    accuracy = replace(effect, unit="accuracy")
    evidence = Evidence.of([accuracy], [accuracy.compare(NOTHING)], images=10_000)
    (low,), (high,) = evidence.effects.predicted(evidence.images)
    spread = np.std(values, ddof=1)
    error = np.sqrt(spread**2 * (1 + 1 / 5) + 2 * 0.88 * 0.12 / 10_000)
    assert (high - low) / 2 == pytest.approx(t.ppf(0.975, 4) * error)
    assert decide(accuracy) == "reproduced"


def test_answers_that_disagree_whatever_the_seeds_are_mixed() -> None:
    """The mean lies within, while hardly any single seed does: two groups on either side."""
    groups = [0.79, 0.80, 0.81] * 4 + [0.899, 0.90, 0.901] * 9
    assert decide(condition(groups, low=0.84, high=0.90)) == "mixed"
    # Five such seeds are too few to tell.
    assert decide(condition([0.899, 0.9, 0.899, 0.898, 0.83], low=0.8, high=0.8985)) != "mixed"
    effect = condition(groups, low=0.84, high=0.90, reported=0.9)
    named = [Comparison("", ("n1_mlp",), pd.Series(groups))]
    claim = Claim("1", "words", [replace(effect, compare=lambda _: named)], "why")
    (record,) = judge([claim], results()).claims
    assert record.verdict == "mixed"
    assert record.remark == (
        "the answers disagree: all means lie within the claimed bounds, the sentence holds in 9 of "
        "39 single seeds, the report's number can come from such a run"
    )
    assert record.needed is None


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
    claim = Claim("1", "words", [condition(SCATTERED, low=0.0)], "why")
    certain = Claim("2", "words", [condition([0.5, 0.51, 0.52, 0.5, 0.5], low=0.0)], "why")
    opened = Claim("3", "words", [condition([-1, 0.5, 1, 0, 0], low=0.0)], "why")

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


def test_networks_without_a_common_seed_are_not_tested() -> None:
    apart = [Comparison("", (), pd.Series({0: 0.3}), pd.Series({1: 0.1}))]
    effect = Condition("a made-up effect", lambda _: apart, "points", low=0)
    examined = examine(Claim("1", "words", [effect], "why"), NOTHING)
    assert examined.remark == "not tested: the networks have no seed in common"
    assert judge_family([examined])[0].verdict == "inconclusive"


def test_where_seeds_differ_all_runs_decide_and_pairs_stand_beside_them() -> None:
    found = results()
    scores = dict(found.scores)
    scores["n2_mlp"] = scores["n2_mlp"][scores["n2_mlp"]["seed"] < 3]
    claims = [claim for claim in CLAIMS if claim.number in ("3", "12")]
    arm = judge(claims, replace(found, scores=scores))
    here, there = arm.claims
    assert (here.n, there.n, arm.runs["n2_mlp"], arm.runs["n1_mlp"]) == (3, 5, 3, 5)
    (condition,) = here.conditions
    one, other = (results().final("n2_mlp")[:3], results().final("n1_mlp"))
    unpaired = ttest_ind(one, other, equal_var=False)
    assert condition.runs == (3, 5)
    assert condition.mean == pytest.approx(one.mean() - other.mean())
    expected = unpaired.confidence_interval()
    assert condition.interval == pytest.approx((expected.low, expected.high), rel=1e-4)
    assert describe_runs(condition) == "by Welch over 3 and 5 runs"
    (pairs,) = condition.others
    assert pairs.name == "pairs"
    assert pairs.mean == pytest.approx(np.mean(condition.values))
    assert there.conditions[0].others == ()


def test_runs_that_lost_a_class_are_set_aside_if_they_are_the_minority() -> None:
    high, low = near(0.88), near(0.81)
    two_groups = MadeUp(accuracy=(*high[:3], *low[:2]), lost=(3, 4))
    claims = [claim for claim in CLAIMS if claim.number in ("27c", "6a")]
    arm = judge(claims, results({"n2_mlp": two_groups, "n7_l2": MadeUp(accuracy=near(0.89))}))
    (condition,) = next(one for one in arm.claims if one.claim == "27c").conditions
    assert (condition.runs, condition.lost, len(condition.values)) == ((3,), 2, 5)
    assert condition.mean == pytest.approx(np.mean(condition.values[:3]))
    (everything,) = condition.others
    assert everything.name == "all runs"
    assert everything.mean == pytest.approx(np.mean(condition.values))
    most = replace(two_groups, lost=(2, 3, 4))
    (record,) = judge([claims[1]], results({"n2_mlp": most})).claims
    assert (record.conditions[0].runs, record.conditions[0].others) == ((5,), ())


def test_what_makes_a_claim_vacuous_is_said() -> None:
    collapsed = MadeUp(near_zero=near(0.5), accuracy=(0.1,) * 5)
    claims = [claim for claim in CLAIMS if claim.number == "13"]
    (record,) = judge(claims, results({"n6_l1": collapsed})).claims
    assert (record.verdict, record.remark) == ("vacuous", "true, but n6_l1 learned nothing")


def test_a_verdict_stands_in_the_analyses_that_give_it_too() -> None:
    high, low = near(0.88), near(0.81)
    found = results(
        {
            "n2_mlp": MadeUp(accuracy=near(0.85), rise=(0.0,) * 5),
            "n6_l1": MadeUp(accuracy=near(0.835)),
            "n7_l2": MadeUp(accuracy=(*high[:3], *low[:2]), lost=(3, 4)),
        }
    )
    claims = [claim for claim in CLAIMS if claim.number in ("11", "27c")]
    by_margin, by_runs = (
        record.multiverse for record in with_multiverse(judge(claims, found), found).claims
    )
    # 1.5 points are more than one point, and less than two.
    shares = {option: same / number for option, (same, number) in by_margin.items()}
    assert [shares[option] for option in CHOICES["margin"]] == [1, 1, 0]
    assert shares["Holm"] == shares["uncorrected"] == shares[ALL] == 2 / 3
    every = math.prod(map(len, CHOICES.values()))
    # Test images have only final scores.
    assert by_margin[ALL][1] == every // 6 * 4
    kept, everything = (by_runs[option] for option in CHOICES["runs"])
    assert kept[0] == kept[1] > everything[0]
