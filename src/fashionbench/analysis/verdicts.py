"""Judges the report's claims by the results of all replicates.

A claim is a list of conditions. A condition states the region in which a quantity must lie. The
quantity has one value per seed, so networks are compared in pairs of equal seeds; its mean over
seeds has a 95% interval (Student's t). A condition is ``reproduced`` if that interval lies within
the region, ``contradicted`` if it lies outside, and ``inconclusive`` otherwise. With two
bounds this is an equivalence test: two one-sided tests (Schuirmann, J. Pharmacokinet. Biopharm. 15,
1987) at 2.5% each, since the interval is the 95% one.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from fashionbench.analysis.statistics import Estimate, estimate
from fashionbench.paths import network_table
from fashionbench.tables import read_table

Verdict = Literal["reproduced", "contradicted", "inconclusive"]
Unit = Literal["accuracy", "points", "nats", "share", "ratio"]
"""The unit of a quantity: an accuracy, a difference of accuracies, a loss, a share or a ratio."""

FEWEST_SEEDS = 3
"""The 95% interval of two values is nearly thirteen times as wide as their distance."""


class NotTestableError(Exception):
    """The results lack something that a condition needs; the message says what."""


@dataclass(frozen=True)
class Results:
    """Tables by network name: curves, scores and statistics of the weights."""

    curves: Mapping[str, pd.DataFrame]
    scores: Mapping[str, pd.DataFrame]
    weights: Mapping[str, pd.DataFrame]

    @classmethod
    def read(cls, folder: Path, networks: Iterable[str]) -> "Results":
        """Read the tables of these networks; ``folder`` is the one that holds metrics/.

        Raises DataError if a table is missing.
        """

        def read(table: str) -> dict[str, pd.DataFrame]:
            return {name: read_table(folder / network_table(name, table)) for name in names}

        names = list(networks)
        return cls(curves=read("curves"), scores=read("scores"), weights=read("weights"))

    def by_epoch(self, network: str, column: str) -> pd.DataFrame:
        """Return a column of the curves with one row per epoch and one column per seed."""
        curve = _of(self.curves, network)
        return curve.pivot(index="epoch", columns="seed", values=column)

    def final(self, network: str, column: str = "val_accuracy") -> "pd.Series[float]":
        """Return the last epoch's value of a column of the curves, by seed."""
        return self.by_epoch(network, column).iloc[-1]

    def score(self, network: str, split: str, kind: str) -> "pd.Series[float]":
        """Return a final score in evaluation mode, by seed; ``kind`` is loss or accuracy."""
        table = _of(self.scores, network)
        return table[table["split"] == split].set_index("seed")[kind]

    def of_weights(self, network: str, statistic: str) -> "pd.Series[float]":
        """Return a field of evaluation.weights.WeightStatistics, by seed."""
        return _of(self.weights, network).set_index("seed")[statistic]


def _of(tables: Mapping[str, pd.DataFrame], network: str) -> pd.DataFrame:
    if network not in tables:
        raise NotTestableError(f"{network} is not in params.yaml")
    return tables[network]


Quantity = Callable[[Results], "pd.Series[float]"]


@dataclass(frozen=True)
class Condition:
    """A condition of a claim: the mean over seeds of ``values`` lies between ``low`` and ``high``.

    ``quantity`` names the values in words, and ``unit`` is theirs.
    """

    quantity: str
    values: Quantity
    unit: Unit
    low: float = -math.inf
    high: float = math.inf

    def judge(self, results: Results) -> "Finding":
        """Estimate the mean over seeds, and judge it by its interval.

        Raises NotTestableError if the results lack something that the values need.
        """
        values = self.values(results).tolist()
        found = estimate(values)
        return Finding(self, found, min(values), max(values), self._verdict(found))

    def _verdict(self, found: Estimate) -> Verdict:
        if found.n < FEWEST_SEEDS:
            return "inconclusive"
        if self.low < found.low and found.high < self.high:
            return "reproduced"
        # If all replicates agree, the interval is a point, which may lie on a bound.
        if found.high <= self.low or found.low >= self.high:
            return "contradicted"
        return "inconclusive"


@dataclass(frozen=True)
class Finding:
    """The verdict on a condition; ``lowest`` and ``highest`` are values of single seeds."""

    condition: Condition
    estimate: Estimate
    lowest: float
    highest: float
    verdict: Verdict


@dataclass(frozen=True)
class Claim:
    """A statement of the report, the conditions it implies, and the reason for their bounds."""

    number: int
    words: str
    conditions: Sequence[Condition]
    why: str

    def judge(self, results: Results) -> "Judgement":
        """Return reproduced if all conditions are, contradicted if any is, else inconclusive."""
        try:
            findings = [condition.judge(results) for condition in self.conditions]
        except NotTestableError as error:
            return Judgement(self, "inconclusive", (), f"not tested: {error}")
        verdicts = {finding.verdict for finding in findings}
        verdict: Verdict = "inconclusive"
        if "contradicted" in verdicts:
            verdict = "contradicted"
        elif verdicts == {"reproduced"}:
            verdict = "reproduced"
        seeds = min(finding.estimate.n for finding in findings)
        remark = f"{seeds} of at least {FEWEST_SEEDS} seeds" if seeds < FEWEST_SEEDS else ""
        return Judgement(self, verdict, tuple(findings), remark)


@dataclass(frozen=True)
class Judgement:
    """The verdict on a claim and its findings; ``remark`` is the reason if they do not suffice."""

    claim: Claim
    verdict: Verdict
    findings: tuple[Finding, ...]
    remark: str
