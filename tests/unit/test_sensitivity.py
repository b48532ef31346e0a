"""Where verdicts flip, how many seeds decide, and what single runs conclude."""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fashionbench.analysis.statistics import Effects
from fashionbench.claims.quantities import Comparison, Condition
from fashionbench.claims.rule import Evidence
from fashionbench.claims.sensitivity import flips, needed, share_of_pairs
from fashionbench.claims.verdicts import Flip

VALUES = [0.01, 0.01, 0.02, 0.03, 0.03]
LOW, HIGH = 0.02 - 0.012416, 0.02 + 0.012416
"""The ends of its 95% interval."""


def condition_of(low: float, high: float = math.inf, reported: float | None = None) -> Condition:
    return Condition("", lambda _: [], "points", low, high, reported)


def evidence(values: list[float], condition: Condition) -> Evidence:
    return Evidence.of([condition], [[Comparison("", (), pd.Series(values))]])


def of(low: float, high: float, values: list[float] = VALUES) -> tuple[Flip | None, Flip | None]:
    """Return the flips of a condition on values with these bounds, at 5%."""
    condition = condition_of(low, high)
    return flips(evidence(values, condition), 0, condition, 0.05, lambda one: one.decide(0.05))


def check(found: Flip | None, margin: float, verdict: str) -> None:
    assert found is not None
    assert found.margin == pytest.approx(margin, abs=1e-5)
    assert found.verdict == verdict


def test_a_single_bound_flips_at_the_ends_of_the_interval() -> None:
    below, above = of(0.0, math.inf)
    assert below is None
    check(above, LOW, "inconclusive")
    below, above = of(0.02, math.inf)
    check(below, LOW, "reproduced")
    check(above, HIGH, "contradicted")
    below, above = of(-math.inf, 0.0)
    assert below is None
    check(above, LOW, "inconclusive")


def test_two_bounds_flip_where_the_interval_fits_between_them() -> None:
    # Around 0 the interval fits within +-HIGH, and lies outside of +-LOW.
    below, above = of(-0.02, 0.02)
    check(below, LOW, "contradicted")
    check(above, HIGH, "reproduced")
    # Around its middle no margin contradicts, and in a narrow region lies no seed.
    below, above = of(0.0, 0.04)
    check(below, HIGH - 0.02, "inconclusive")
    assert above is None


def test_values_in_the_middle_of_two_bounds_flip_at_no_margin() -> None:
    assert of(-0.01, 0.01, [0.0] * 3) == (None, None)


def test_single_seeds_flip_a_verdict_too() -> None:
    # From there on the sentence fails in 59 of 109 seeds, though the mean is 0.46.
    for number, verdict in ((29, "inconclusive"), (59, "mixed")):
        _, above = of(0.0, math.inf, [0.01] * 30 + [0.011] * number + [1.0] * 50)
        check(above, 0.011, verdict)


def test_the_number_of_seeds_follows_from_effect_and_spread() -> None:
    # d = 0.5 of 5% one-sided: 27 seeds for 80%; here the mean lies half a deviation above 0.
    values = (np.array([-1, 0, 1, 2, 3, 1, 1, 1]) * 0.01).tolist()
    low = float(np.mean(values) - 0.5 * np.std(values, ddof=1))
    found = needed(evidence(values, condition_of(low)), 0.10)
    assert (found.leans, found.obstacle) == ("reproduced", "")
    # 27 seeds would do for 80% if the effect were certain: eight seeds do not make it so.
    assert (found.half, found.most) == (14, 114)
    high = float(np.mean(values) + 0.5 * np.std(values, ddof=1))
    found = needed(evidence(values, condition_of(high)), 0.10)
    assert (found.leans, found.half, found.obstacle) == ("contradicted", 14, "")


def test_what_more_seeds_do_not_decide_is_said() -> None:
    for groups in ([-0.001] * 3 + [0.5] * 2, [0.001] * 3 + [-0.5] * 2):
        assert needed(evidence(groups, condition_of(0.0)), 0.05).obstacle == "single seeds"
    number = condition_of(0.86, 0.88, reported=0.87)
    found = needed(evidence([0.8, 0.9, 0.7, 0.95, 0.6], number), 0.05)
    assert (found.leans, found.obstacle) == ("contradicted", "reported number")


RUNS = {
    name: pd.Series(np.random.default_rng(seed).normal(size=4).round(3))
    for seed, name in enumerate("abcd")
}


def above(first: str, second: str, low: float = 0.0) -> tuple[Condition, Comparison]:
    return condition_of(low), Comparison(second, (first, second), RUNS[first], RUNS[second])


def alone(name: str, low: float) -> tuple[Condition, Comparison]:
    return condition_of(low), Comparison("", (name,), RUNS[name])


def test_one_network_has_as_many_runs_as_seeds() -> None:
    assert share_of_pairs([alone("a", 0.0)]) == (RUNS["a"] > 0).mean()
    (condition, comparison), published = alone("a", 0.0), Effects(*map(np.array, (0.5, 0.1, 9.0)))
    above_published = replace(comparison, published=published)
    assert share_of_pairs([(condition, above_published)]) == (RUNS["a"] > 0.5).mean()


@pytest.mark.parametrize(
    ("judged", "sentence"),
    [
        ([above("a", "b")], lambda a, b, c, d: a > b),
        ([above("b", "a", 0.3)], lambda a, b, c, d: b - a > 0.3),
        ([above("a", x) for x in "bcd"], lambda a, b, c, d: a > max(b, c, d)),
        # The common network as the second of each comparison, and with conditions of their own.
        ([above(x, "d") for x in "abc"], lambda a, b, c, d: d < min(a, b, c)),
        (
            [above("a", "b", -1), above("c", "a", -1), alone("a", -0.5), alone("c", 0.0)],
            lambda a, b, c, d: a - b > -1 and c - a > -1 and a > -0.5 and c > 0,
        ),
        ([alone("a", 0.0), alone("b", -0.5)], lambda a, b, c, d: a > 0 and b > -0.5),
    ],
)
def test_every_combination_of_runs_counts_once(
    judged: list[tuple[Condition, Comparison]], sentence: Callable[..., bool]
) -> None:
    found = [sentence(*runs) for runs in itertools.product(*RUNS.values())]
    assert 0 < sum(found) < len(found)
    assert share_of_pairs(judged) == pytest.approx(np.mean(found), rel=1e-5)


def test_comparisons_without_a_common_network_are_left_out() -> None:
    assert share_of_pairs([above("a", "b"), above("c", "d")]) is None
    assert share_of_pairs([above("a", "b"), above("b", "c"), above("c", "a")]) is None
