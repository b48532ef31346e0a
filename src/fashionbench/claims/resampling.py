"""Judge a claim by many samples of the runs that there are, all at a time."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from fashionbench.claims.effects import Array, Effects, Flags
from fashionbench.claims.quantities import Comparison
from fashionbench.claims.rule import Evidence

FEWER = 5
"""The runs that are drawn of a network that has fewer than others, such as N8."""
FEW = 5
SAMPLES = 2000


def resample(evidence: Evidence, comparisons: Sequence[Comparison], drawn: Array) -> Evidence:
    """Return the evidence of many samples of runs, drawn with replacement.

    ``comparisons`` are those of ``evidence``. ``drawn`` is (samples, n), places from 0 to 1: the
    same seeds for all networks, but of those with fewer runs FEWER of them.
    """
    effects, columns = zip(*(_sample(one, drawn) for one in comparisons), strict=True)
    n = min(len(column.T) for column in columns)
    values = np.stack([column[:, :n] for column in columns], axis=-1)
    return replace(evidence, effects=Effects.joined(effects), values=values)


def misled_fives(
    evidence: Evidence, comparisons: Sequence[Comparison], level: float, verdict: str
) -> float:
    """Return in which share of samples of FEW runs the verdict at a level is the opposite one."""
    drawn = np.random.default_rng(0).uniform(size=(SAMPLES, FEW))
    found = resample(evidence, comparisons, drawn).decisions(level)
    opposite = "reproduced" if verdict == "contradicted" else "contradicted"
    return float(np.mean(found == opposite))


def _sample(comparison: Comparison, drawn: Array) -> tuple[Effects, Array]:
    """Return the effect, (samples,), and the values in common seeds, (samples, n)."""
    series = [one for one in (comparison.first, comparison.second) if one is not None]
    most = max(map(len, series))
    runs = [
        _draw(runs, lost, drawn if len(runs) == most else drawn[:, :FEWER])
        for runs, lost in zip(series, comparison.lost or [frozenset()] * len(series), strict=True)
    ]
    n = min(len(values.T) for values, _ in runs)
    values: Array = runs[0][0][:, :n] - (runs[1][0][:, :n] if len(runs) > 1 else 0)
    if comparison.published:
        values = values - comparison.published.mean
        own = Effects.of_runs(runs[0][0], runs[0][1])
        return own.minus(comparison.published), values
    if comparison.is_paired:
        return Effects.of_runs(values, np.all([kept for _, kept in runs], axis=0)), values
    one, other = (Effects.of_runs(*each) for each in runs)
    return one.minus(other), values


def _draw(runs: "pd.Series[float]", lost: frozenset[int], drawn: Array) -> tuple[Array, Flags]:
    """Return values, and which are kept: where the minority lost a class, those that did not."""
    places: npt.NDArray[np.int64] = (drawn * len(runs)).astype(np.int64)
    has_lost = runs.index.isin(list(lost))[places]
    is_minority = 2 * has_lost.sum(axis=1, keepdims=True) < drawn.shape[1]
    values: Array = np.asarray(runs, dtype=np.float64)[places]
    return values, np.asarray(~(has_lost & is_minority), dtype=np.bool_)
