"""What single runs conclude, against counting every combination."""

import itertools
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from fashionbench.claims.quantities import Comparison, Condition
from fashionbench.claims.sensitivity import share_of_pairs

RUNS = {
    name: pd.Series(np.random.default_rng(seed).normal(size=4).round(3))
    for seed, name in enumerate("abcd")
}


def above(first: str, second: str, low: float = 0.0) -> tuple[Condition, Comparison]:
    comparison = Comparison(second, (first, second), RUNS[first], RUNS[second])
    return Condition("", lambda _: [], "points", low), comparison


def alone(name: str, low: float) -> tuple[Condition, Comparison]:
    return Condition("", lambda _: [], "points", low), Comparison("", (name,), RUNS[name])


def count(sentence: Callable[..., bool]) -> float:
    """Return the share of combinations of one run of each network for which a sentence holds."""
    found = [sentence(*runs) for runs in itertools.product(*RUNS.values())]
    return sum(found) / len(found)


def test_one_network_has_as_many_runs_as_seeds() -> None:
    assert share_of_pairs([alone("a", 0.0)]) == (RUNS["a"] > 0).mean()


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
    share = share_of_pairs(judged)
    assert share == pytest.approx(count(sentence))
    assert share is not None
    assert 0 < share < 1


def test_comparisons_without_a_common_network_are_left_out() -> None:
    assert share_of_pairs([above("a", "b"), above("c", "d")]) is None
    assert share_of_pairs([above("a", "b"), above("b", "c"), above("c", "a")]) is None
