"""Verdicts on conditions and claims, decided by the interval alone."""

import math
from collections.abc import Sequence

import pandas as pd
import pytest

from fashionbench.analysis.verdicts import Claim, Condition, Results, Verdict

NOTHING = Results(curves={}, scores={}, weights={})


def condition(values: Sequence[float], low: float = -math.inf, high: float = math.inf) -> Condition:
    return Condition("a made-up effect", lambda _: pd.Series(values), "points", low, high)


@pytest.mark.parametrize(
    ("values", "low", "high", "verdict"),
    [
        # Student's t interval of these is 0.02 +- 0.0124 (2.776 standard errors).
        ([0.01, 0.01, 0.02, 0.03, 0.03], 0.007, math.inf, "reproduced"),
        ([0.01, 0.01, 0.02, 0.03, 0.03], 0.008, math.inf, "inconclusive"),
        ([0.01, 0.01, 0.02, 0.03, 0.03], 0.032, math.inf, "inconclusive"),
        ([0.01, 0.01, 0.02, 0.03, 0.03], 0.033, math.inf, "contradicted"),
        ([0.01, 0.01, 0.02, 0.03, 0.03], -math.inf, 0.033, "reproduced"),
        ([0.01, 0.01, 0.02, 0.03, 0.03], -math.inf, 0.007, "contradicted"),
        ([0.01, 0.01, 0.02, 0.03, 0.03], 0.007, 0.033, "reproduced"),
        ([0.01, 0.01, 0.02, 0.03, 0.03], 0.01, 0.033, "inconclusive"),
        ([0.0, 0.0, 0.0], 0.0, math.inf, "contradicted"),
        ([0.5, 0.5], 0.0, math.inf, "inconclusive"),
        ([0.5], 0.0, math.inf, "inconclusive"),
    ],
)
def test_the_interval_decides(
    values: list[float], low: float, high: float, verdict: Verdict
) -> None:
    assert condition(values, low, high).judge(NOTHING).verdict == verdict


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        (("reproduced", "reproduced"), "reproduced"),
        (("reproduced", "inconclusive"), "inconclusive"),
        (("inconclusive", "contradicted"), "contradicted"),
        (("reproduced", "contradicted"), "contradicted"),
    ],
)
def test_a_claim_needs_all_its_conditions(verdicts: tuple[Verdict, ...], verdict: Verdict) -> None:
    values = {
        "reproduced": [0.1, 0.1, 0.2],
        "inconclusive": [-1, 0.5, 1],
        "contradicted": [-0.5, -0.5, -0.6],
    }
    conditions = [condition(values[of_one], low=-0.05) for of_one in verdicts]
    assert Claim(1, "words", conditions, "why").judge(NOTHING).verdict == verdict
