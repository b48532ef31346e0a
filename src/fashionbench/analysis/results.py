"""The results of an arm: what claims are judged by, which images each replicate gets right, and the
replicates that stand for their networks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from fashionbench.analysis.statistics import Flags
from fashionbench.errors import DataError
from fashionbench.evaluation.scores import best_seed
from fashionbench.params import LossInput
from fashionbench.paths import network_table, predictions_file
from fashionbench.tables import read_arrays, read_table

Correct = Mapping[str, Mapping[int, Flags]]
"""By network and seed: for each image whether it is classified correctly, (images,)."""


def class_names(scores: pd.DataFrame) -> list[str]:
    """Return the names of the classes, in their order, whose accuracies a table of scores has."""
    columns = map(str, scores.columns)
    return [name.removeprefix(_OF_CLASS) for name in columns if name.startswith(_OF_CLASS)]


def read_correct(
    folder: Path, seeds: Mapping[str, Sequence[int]], split: str, of_class: int | None = None
) -> Correct:
    """Compare the predictions kept in ``folder`` with the labels of a split, or of one class in it.

    ``seeds`` names those of each network. A network whose predictions are not there is left out.
    Raises DataError for predictions that lack a seed.
    """
    correct = {}
    for name, of_network in seeds.items():
        path = folder / predictions_file(name)
        if not path.exists():
            continue
        kept = read_arrays(path)
        try:
            labels = kept[f"{split}_labels"]
            asked = slice(None) if of_class is None else labels == of_class
            correct[name] = {
                seed: (kept[f"{split}_seed_{seed}"] == labels)[asked] for seed in of_network
            }
        except KeyError as error:
            raise DataError(
                f"{path} does not hold the predictions of seeds {list(of_network)} ({error}); run "
                f"dvc repro -f -s evaluate@{name}"
            ) from error
    return correct


def stacked(by_seed: Mapping[int, Flags]) -> Flags:
    """Return the replicates of a network in one array, (seeds, images)."""
    return np.stack(list(by_seed.values()))


_OF_CLASS = "accuracy "
"""Begins the names of columns of a table of scores that are about one class."""
ScoredSplit = Literal["val", "test"]


class NotTestableError(Exception):
    """The results lack something that a condition needs; the message says what."""


class NotComparedError(NotTestableError):
    """A condition is about a network that these results are not about."""


@dataclass(frozen=True)
class Results:
    """Tables by network name: curves, scores and statistics of the weights.

    ``split`` holds the images on which final scores are compared, ``correct`` by split which of
    them each replicate gets right, where predictions are available. ``loss_input`` is what
    cross-entropy was given in this arm, ``images`` the number of validation images.
    """

    curves: Mapping[str, pd.DataFrame]
    scores: Mapping[str, pd.DataFrame]
    weights: Mapping[str, pd.DataFrame]
    loss_input: LossInput = "probabilities"
    split: ScoredSplit = "val"
    images: int = 10_000
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
        seeds = {
            name: [int(seed) for seed in curve["seed"].unique()] for name, curve in curves.items()
        }
        splits: tuple[ScoredSplit, ...] = ("val", "test")
        return cls(
            curves=curves,
            scores=read("scores"),
            weights=read("weights"),
            loss_input=loss_input,
            correct={split: read_correct(folder, seeds, split) for split in splits},
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

    @cached_property
    def _lost(self) -> Mapping[str, "pd.Series[bool]"]:
        return {name: lost_a_class(table) for name, table in self.scores.items()}

    def lost_a_class(self, network: str) -> "pd.Series[bool]":
        """Tell by seed whether no validation image of some class is recognised at the end."""
        _of(self.scores, network)  # Raises if there is none.
        return self._lost[network]

    def set_aside(self, network: str) -> frozenset[int]:
        """Return the seeds that lost a class, if they are the minority: a mixture has two means."""
        lost = self.lost_a_class(network)
        return frozenset(lost[lost].index.tolist()) if 2 * lost.sum() < len(lost) else frozenset()

    @property
    def classes(self) -> list[str]:
        """The names of the classes, in the order of their labels."""
        return class_names(next(iter(self.scores.values())))

    def learned_nothing(self, network: str) -> bool:
        """Tell whether most replicates of a network are at most one point better than guessing."""
        classes = class_names(_of(self.scores, network))
        if not classes:  # Runs of another project.
            return False
        guessed = 1 / len(classes) + 0.01
        return bool((self.score(network, "val", "accuracy") <= guessed).mean() > 0.5)


def lost_a_class(scores: pd.DataFrame) -> "pd.Series[bool]":
    """Tell by seed whether no validation image of some class is recognised; ``scores`` of one."""
    val = scores[scores["split"] == "val"].set_index("seed")
    return (val.filter(like=_OF_CLASS) == 0).any(axis=1)


def _of(tables: Mapping[str, pd.DataFrame], network: str) -> pd.DataFrame:
    if network not in tables:
        raise NotComparedError(f"{network} is not in params.yaml")
    return tables[network]


Classes = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """By network the seed that stands for it, and its ``predictions`` (n,) of the test images.

    ``labels`` (n,) are the right answers.
    """

    labels: Classes
    seeds: Mapping[str, int]
    predictions: Mapping[str, Classes]


def choose(results: Results) -> dict[str, int]:
    """Return by network the seed with the highest validation accuracy, whose errors are shown."""
    accuracies = {name: results.score(name, "val", "accuracy") for name in results.scores}
    return {
        name: best_seed(dict(zip(of.index.tolist(), of.tolist(), strict=True)))
        for name, of in accuracies.items()
    }


def read_chosen(folder: Path, results: Results) -> Chosen | None:
    """Read what the chosen replicates answer on the test images; None if any are not kept.

    ``folder`` is that of the results, whose predictions have been found to fit by
    :func:`fashionbench.analysis.results.read_correct`.
    """
    seeds = choose(results)
    if results.correct.get("test", {}).keys() != seeds.keys():
        return None
    kept = {name: read_arrays(folder / predictions_file(name)) for name in seeds}
    return Chosen(
        labels=next(iter(kept.values()))["test_labels"],
        seeds=seeds,
        predictions={name: kept[name][f"test_seed_{seed}"] for name, seed in seeds.items()},
    )


def disputed(chosen: Chosen, results: Results, most: int) -> npt.NDArray[np.int64]:
    """Return the first test images that some network gets right and another wrong.

    At most ``most`` of them. Networks that learned nothing have no say: with them nearly every
    image would be disputed.
    """
    right = [
        found == chosen.labels
        for name, found in chosen.predictions.items()
        if not results.learned_nothing(name)
    ]
    if not right:
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.any(right, axis=0) & ~np.all(right, axis=0))[:most]
