"""From a claim and the results of all replicates to a verdict, by an interval alone.

A claim is a list of conditions, and a condition says in which region a quantity must lie. It has
one value a seed, so that networks are compared in pairs of equal seeds, and its mean over seeds has
a 95% interval (Student's t). The verdict on a condition is ``reproduced`` if that interval lies
within the region, ``contradicted`` if it lies outside, and else ``inconclusive``. With a region on
both sides of zero this is an equivalence test: two one-sided tests (Schuirmann, J. Pharmacokinet.
Biopharm. 15, 1987), at 2.5% each, since the interval is the 95% one.
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
"""What a quantity is counted in: an accuracy, a difference of two, a loss, a share or a ratio."""

FEWEST_SEEDS = 3
"""With two, a 95% interval is thirteen times as wide as the values lie apart: it says nothing."""


class NotTestableError(Exception):
    """The results do not hold what a condition is about; the message says what is missing."""


@dataclass(frozen=True)
class Results:
    """Tables of each network by its name: curves, scores and statistics of the weights."""

    curves: Mapping[str, pd.DataFrame]
    scores: Mapping[str, pd.DataFrame]
    weights: Mapping[str, pd.DataFrame]

    @classmethod
    def read(cls, folder: Path, networks: Iterable[str]) -> "Results":
        """The tables of networks below the folder that holds metrics/; DataError if one lacks."""

        def read(table: str) -> dict[str, pd.DataFrame]:
            return {name: read_table(folder / network_table(name, table)) for name in names}

        names = list(networks)
        return cls(curves=read("curves"), scores=read("scores"), weights=read("weights"))

    def by_epoch(self, network: str, column: str) -> pd.DataFrame:
        """A column of the curves: a row an epoch, a column a seed."""
        curve = _of(self.curves, network)
        return curve.pivot(index="epoch", columns="seed", values=column)

    def final(self, network: str, column: str = "val_accuracy") -> "pd.Series[float]":
        """A column of the curves after the last epoch, by seed."""
        return self.by_epoch(network, column).iloc[-1]

    def score(self, network: str, split: str, kind: str) -> "pd.Series[float]":
        """A final score in evaluation mode, by seed; ``kind`` is loss or accuracy."""
        table = _of(self.scores, network)
        return table[table["split"] == split].set_index("seed")[kind]

    def of_weights(self, network: str, statistic: str) -> "pd.Series[float]":
        """One of weights.WeightStatistics, by seed."""
        return _of(self.weights, network).set_index("seed")[statistic]


def _of(tables: Mapping[str, pd.DataFrame], network: str) -> pd.DataFrame:
    if network not in tables:
        raise NotTestableError(f"there is no {network} in params.yaml")
    return tables[network]


Quantity = Callable[[Results], "pd.Series[float]"]


@dataclass(frozen=True)
class Condition:
    """What must be true for a claim: ``values``, by seed, have a mean between ``low`` and ``high``.

    ``quantity`` says what the values are, as a noun. Raises NotTestableError when judged on results
    that lack what it is about.
    """

    quantity: str
    values: Quantity
    unit: Unit
    low: float = -math.inf
    high: float = math.inf

    def judge(self, results: Results) -> "Finding":
        """The estimate over seeds, and the verdict that follows from its interval."""
        values = self.values(results).tolist()
        found = estimate(values)
        return Finding(self, found, min(values), max(values), self._verdict(found))

    def _verdict(self, found: Estimate) -> Verdict:
        if found.n < FEWEST_SEEDS:
            return "inconclusive"
        if self.low < found.low and found.high < self.high:
            return "reproduced"
        # The interval of replicates that agree exactly is a point, and may lie on an end.
        if found.high <= self.low or found.low >= self.high:
            return "contradicted"
        return "inconclusive"


@dataclass(frozen=True)
class Finding:
    """A condition, judged; ``lowest`` and ``highest`` are the values of single seeds."""

    condition: Condition
    estimate: Estimate
    lowest: float
    highest: float
    verdict: Verdict


@dataclass(frozen=True)
class Claim:
    """A sentence of the report in brief, what must be true for it, and why with this threshold."""

    number: int
    words: str
    conditions: Sequence[Condition]
    why: str

    def judge(self, results: Results) -> "Judgement":
        """Reproduced if all conditions are, contradicted if any is, else inconclusive."""
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
    """The verdict on a claim and what it rests on; ``remark`` says why that is too little."""

    claim: Claim
    verdict: Verdict
    findings: tuple[Finding, ...]
    remark: str
