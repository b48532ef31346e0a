"""The replicates that stand for their networks: their answers, and where they disagree."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

from fashionbench.analysis.correctness import read_labels
from fashionbench.analysis.inference import mcnemar
from fashionbench.analysis.results import Results
from fashionbench.evaluation.selection import best_seed
from fashionbench.paths import predictions_file

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
    return {
        name: best_seed(dict(zip(accuracy.index.tolist(), accuracy.tolist(), strict=True)))
        for name in results.scores
        for accuracy in [results.score(name, "val", "accuracy")]
    }


def read_chosen(folder: Path, results: Results) -> Chosen | None:
    """Read what the chosen replicates answer on the test images; None if any are not kept.

    ``folder`` is that of the results, whose predictions have been found to fit by
    :func:`fashionbench.analysis.correctness.read_correct`.
    """
    seeds = choose(results)
    if results.correct.get("test", {}).keys() != seeds.keys():
        return None
    return Chosen(
        labels=read_labels("test"),
        seeds=seeds,
        predictions={
            name: load_file(folder / predictions_file(name))[f"test_seed_{seed}"]
            for name, seed in seeds.items()
        },
    )


def mcnemar_p(chosen: Chosen) -> dict[tuple[str, str], float]:
    """Return McNemar's exact p-value of each pair of networks, by the names of both."""
    right = {name: (found == chosen.labels)[None] for name, found in chosen.predictions.items()}
    return {
        (one, other): float(mcnemar(right[one], right[other])[0, 0])
        for one, other in combinations(right, 2)
    }


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
