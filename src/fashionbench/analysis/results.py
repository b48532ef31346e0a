"""The results of an arm: what claims are judged by."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from fashionbench.analysis.correctness import Correct, read_correct
from fashionbench.data.splits import CLASSES
from fashionbench.params import LossInput
from fashionbench.paths import network_table
from fashionbench.tables import read_table

ScoredSplit = Literal["val", "test"]

NOTHING_LEARNED = 1 / len(CLASSES) + 0.01
"""A validation accuracy up to one point above that of guessing: the replicate learned nothing."""


class NotTestableError(Exception):
    """The results lack something that a condition needs; the message says what."""


@dataclass(frozen=True)
class Results:
    """Tables by network name: curves, scores and statistics of the weights.

    ``split`` holds the images on which final scores are compared, ``correct`` by split which of
    them each replicate gets right, where predictions are available. ``loss_input`` is what
    cross-entropy was given in this arm.
    """

    curves: Mapping[str, pd.DataFrame]
    scores: Mapping[str, pd.DataFrame]
    weights: Mapping[str, pd.DataFrame]
    loss_input: LossInput = "probabilities"
    split: ScoredSplit = "val"
    correct: Mapping[ScoredSplit, Correct] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path, networks: Iterable[str], loss_input: LossInput) -> "Results":
        """Read the tables of these networks; ``folder`` is the one that holds metrics/.

        Raises DataError if a table is missing.
        """

        def read(table: str) -> dict[str, pd.DataFrame]:
            return {name: read_table(folder / network_table(name, table)) for name in names}

        names = list(networks)
        curves = read("curves")
        seeds = [int(seed) for seed in next(iter(curves.values()))["seed"].unique()]
        splits: tuple[ScoredSplit, ...] = ("val", "test")
        return cls(
            curves=curves,
            scores=read("scores"),
            weights=read("weights"),
            loss_input=loss_input,
            correct={split: read_correct(folder, names, seeds, split) for split in splits},
        )

    def on(self, split: ScoredSplit) -> "Results":
        """Return the same results with final scores on another split."""
        return replace(self, split=split)

    def by_epoch(self, network: str, column: str) -> pd.DataFrame:
        """Return a column of the curves with one row per epoch and one column per seed.

        Raises NotTestableError on test images: they are scored only after the last epoch.
        """
        if self.split == "test":
            raise NotTestableError("the test images are scored only after the last epoch")
        curve = _of(self.curves, network)
        return curve.pivot(index="epoch", columns="seed", values=column)

    def final(self, network: str, kind: str = "accuracy") -> "pd.Series[float]":
        """Return the final score on ``split``, by seed; ``kind`` is loss or accuracy."""
        return self.score(network, self.split, kind)

    def score(self, network: str, split: str, kind: str) -> "pd.Series[float]":
        """Return a final score in evaluation mode, by seed; ``kind`` is loss or accuracy."""
        table = _of(self.scores, network)
        return table[table["split"] == split].set_index("seed")[kind]

    def of_weights(self, network: str, statistic: str) -> "pd.Series[float]":
        """Return a field of evaluation.weights.WeightStatistics, by seed."""
        return _of(self.weights, network).set_index("seed")[statistic]

    def lost_a_class(self, network: str) -> "pd.Series[bool]":
        """Tell by seed whether no validation image of some class is recognised at the end."""
        table = _of(self.scores, network)
        val = table[table["split"] == "val"].set_index("seed")
        return (val.filter(like="accuracy ") == 0).any(axis=1)

    def learned_nothing(self, network: str) -> bool:
        """Tell whether most replicates of a network are no better than guessing."""
        return bool((self.score(network, "val", "accuracy") <= NOTHING_LEARNED).mean() > 0.5)


def _of(tables: Mapping[str, pd.DataFrame], network: str) -> pd.DataFrame:
    if network not in tables:
        raise NotTestableError(f"{network} is not in params.yaml")
    return tables[network]
