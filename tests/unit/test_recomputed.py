"""Committed verdicts and the headline table once more, from scores, in plain pandas and scipy.

Nothing of the project's code takes part: only what it has committed is compared with.
"""

import json
import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from repositories import PROJECT
from scipy import stats

Array = npt.NDArray[np.float64]
OTHERS = ("n1_mlp", "n2_mlp", "n3_mlp", "n4_dropout", "n6_l1", "n7_l2")
PERCEPTRONS = (*OTHERS[:4], "n5_batch_norm", *OTHERS[4:])
NETWORKS = {"metrics": (*PERCEPTRONS, "n8_conv"), "studies/seeds/metrics": PERCEPTRONS}
"""By folder of results: the project's seeds, and the forty of the study."""


@cache
def score(
    source: str, network: str, kind: str = "accuracy", split: str = "val"
) -> "pd.Series[float]":
    table = pd.read_csv(PROJECT / source / f"networks/{network}/scores.csv")
    return table[table["split"] == split].set_index("seed")[kind]


@cache
def kept(source: str, network: str) -> "pd.Series[bool]":
    """Tell which runs recognise images of every class, or all where the most do not."""
    table = pd.read_csv(PROJECT / source / f"networks/{network}/scores.csv")
    val = table[table["split"] == "val"].set_index("seed")
    lost = (val[[column for column in val if str(column).startswith("accuracy ")]] == 0).any(axis=1)
    return ~lost if lost.mean() < 0.5 else ~(lost & False)


@dataclass(frozen=True)
class Effect:
    """Differences in common seeds, and what a t test is given: pairs, or the runs of both."""

    values: Array
    tested: tuple[Array, ...]

    def test(self, bound: float = 0.0, side: Any = "two-sided") -> Any:
        if len(self.tested) == 1:
            return stats.ttest_1samp(self.tested[0], bound, alternative=side)
        one, other = self.tested
        return stats.ttest_ind(one - bound, other, equal_var=False, alternative=side)


def minus(source: str, first: str, second: str, *more: str) -> Effect:
    one, other = (score(source, name, *more) for name in (first, second))
    of_one, of_other = kept(source, first), kept(source, second)
    values = np.asarray((one - other).dropna(), dtype=np.float64)
    pairs = (one - other)[of_one & of_other]
    tested = (pairs,) if one.index.equals(other.index) else (one[of_one], other[of_other])
    return Effect(values, tuple(np.asarray(runs, dtype=np.float64) for runs in tested))


def effects(source: str) -> dict[str, tuple[list[Effect], float, float]]:
    """Return by claim the effect of each comparison, and the bounds, as the sentences say."""
    five = "n5_batch_norm"
    found = {
        "3": ([minus(source, "n2_mlp", "n1_mlp")], -math.inf, 0.01),
        "6a": ([minus(source, "n2_mlp", "n3_mlp")], 0, math.inf),
        "6b": ([minus(source, "n3_mlp", "n2_mlp", "loss")], 0, math.inf),
        "9a": ([minus(source, five, other) for other in OTHERS], 0, math.inf),
        "10a": ([minus(source, other, five, "loss") for other in OTHERS], 0, math.inf),
        "11": ([minus(source, "n2_mlp", "n6_l1")], 0.01, math.inf),
        "12": ([minus(source, "n7_l2", "n6_l1")], 0, math.inf),
        "27a": ([minus(source, "n4_dropout", "n2_mlp")], 0, math.inf),
        "27b": ([minus(source, "n6_l1", "n2_mlp")], 0, math.inf),
        "27c": ([minus(source, "n7_l2", "n2_mlp")], 0, math.inf),
        "28": ([minus(source, "n3_mlp", "n2_mlp", "accuracy", "train")], 0, math.inf),
    }
    if "n8_conv" in NETWORKS[source]:
        of_n8 = [minus(source, "n8_conv", other) for other in PERCEPTRONS]
        found["15a"] = (of_n8, 0.01, math.inf)
    return found


def answers(found: list[Effect], low: float, high: float) -> tuple[float, float]:
    """Return the p-values against "not within" and against "not outside" (one-sided t tests)."""
    is_lower = math.isfinite(low)
    bound, inside, outside = (low, "greater", "less") if is_lower else (high, "less", "greater")
    within = max(one.test(bound, inside).pvalue for one in found)
    return within, min(1, len(found) * min(one.test(bound, outside).pvalue for one in found))


def verdict(found: list[Effect], low: float, high: float, level: float) -> str:
    within, beyond = answers(found, low, high)
    holds = np.all([(low < one.values) & (one.values < high) for one in found], axis=0)
    fewer = stats.binomtest(int(holds.sum()), len(holds), alternative="less").pvalue <= 0.025
    more = stats.binomtest(int(holds.sum()), len(holds), alternative="greater").pvalue <= 0.025
    if within <= level / 2:
        return "reproduced" if holds.mean() > 0.5 else "mixed" if fewer else "inconclusive"
    if beyond <= level / 2:
        return "contradicted" if holds.mean() < 0.5 else "mixed" if more else "inconclusive"
    return "inconclusive"


def committed(source: str) -> list[dict[str, Any]]:
    """Return the committed verdicts with the report's loss; in a study, those by all its seeds."""
    if source == "metrics":
        arms = json.loads((PROJECT / "metrics/claims.json").read_text(encoding="utf-8"))
        return list(arms["probabilities"]["claims"])
    study = json.loads((PROJECT / source / "study.json").read_text(encoding="utf-8"))
    return list(study["arms"]["probabilities"]["report"][-1]["claims"])


@pytest.mark.filterwarnings("ignore:Precision loss")  # All runs of N6 are equal.
@pytest.mark.parametrize("source", NETWORKS)
def test_the_verdicts_come_out_again(source: str) -> None:
    if len(score(source, "n2_mlp")) < 3:
        pytest.skip("too few seeds have been run")
    records = {str(record["claim"]): record for record in committed(source)}
    found = {number: one for number, one in effects(source).items() if number in records}
    assert len(found) >= 10
    # Of claims on curves and weights only the p-values take part, as of one family.
    p_values = {
        number: record["p"] for number, record in records.items() if record["p"] is not None
    }
    for number, one in found.items():
        within, beyond = answers(*one)
        p_values[number] = min(1, 2 * min(within, beyond))
    # Holm's procedure, step by step.
    significant: set[str] = set()
    for place, number in enumerate(sorted(p_values, key=lambda one: p_values[one])):
        if p_values[number] > 0.05 / (len(p_values) - place):
            break
        significant.add(number)
    still_open = len(p_values) - len(significant)
    for number, one in found.items():
        record = records[number]
        level = 0.05 / (still_open + (number in significant))
        own = "reproduced" if record["verdict"] == "vacuous" else record["verdict"]
        assert (number, own) == (number, verdict(*one, level))
        assert record["level"] == pytest.approx(level, rel=1e-5)
        assert record["p"] == pytest.approx(p_values[number], rel=1e-4)
        (condition,) = record["conditions"]
        for name, confidence in (("interval", 0.95), ("adjusted", 1 - level)):
            shown = [tuple(one.test().confidence_interval(confidence)) for one in one[0]]
            assert any(condition[name] == pytest.approx(ends, abs=2e-6) for ends in shown)


@pytest.mark.parametrize("source", NETWORKS)
def test_the_headline_table_comes_out_again(source: str) -> None:
    found = pd.read_csv(PROJECT / source / "comparison.csv").set_index("network")
    for name in NETWORKS[source]:
        row = found.T[name].to_dict()
        for split in ("val", "test"):
            values, column = score(source, name, "accuracy", split), f"{split}_accuracy"
            assert row[column] == pytest.approx(values.mean(), abs=1e-6)
            assert row[f"{column}_median"] == pytest.approx(np.median(values), abs=1e-6)
            if len(values) < 6:
                assert math.isnan(float(row[f"{column}_median_low"]))
                continue
            interval: Any = stats.quantile_test(values, p=0.5).confidence_interval(0.95)
            ends = [float(row[f"{column}_median_{end}"]) for end in ("low", "high")]
            assert ends == pytest.approx([interval.low, interval.high], abs=1e-6)
        table = pd.read_csv(PROJECT / source / f"networks/{name}/scores.csv")
        val = table[table["split"] == "val"]
        classes = val[[column for column in val if str(column).startswith("accuracy ")]]
        assert row["lost_class"] == int((classes.min(axis=1) == 0).sum())
