"""Score trained weights on corrupted images."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from fashionbench.data.splits import load_split
from fashionbench.evaluation.corruptions import (
    CLEAN,
    CORRUPTIONS,
    Images,
    corrupt,
    part_of,
)
from fashionbench.evaluation.tasks import EvaluationTask
from fashionbench.evaluation.trained import load_trained
from fashionbench.networks.forward import infer

Accuracies = Mapping[tuple[str, int], float]
"""Accuracy from 0 to 1, by kind and strength of the corruption."""


def run_robustness(task: EvaluationTask) -> Accuracies:
    """Score a replicate on each corruption of a part of its split, in a worker.

    Raises DataError for weights that do not fit the network.
    """
    module = load_trained(task.network, task.weights, task.device)
    by_corruption, labels = _corrupted(task.split)
    found = {}
    for corruption, images in by_corruption.items():
        logits = infer(module, torch.from_numpy(images).to(task.device), task.precision)
        predicted = logits.argmax(dim=1).cpu().numpy()
        found[corruption] = float((predicted == labels).mean())
    return found


def robustness_rows(accuracies: Mapping[int, Accuracies]) -> list[dict[str, object]]:
    """Return one row per seed, kind and strength: the accuracy. ``accuracies`` are by seed."""
    return [
        {"seed": seed, "corruption": kind, "strength": strength, "accuracy": accuracy}
        for seed, of_seed in accuracies.items()
        for (kind, strength), accuracy in of_seed.items()
    ]


@lru_cache(maxsize=1)
def _corrupted(split: Path) -> tuple[Mapping[tuple[str, int], Images], npt.NDArray[np.uint8]]:
    """Return a part of a split, corrupted in every way, and its labels.

    Kept in the process for its next task. Raises DataError for a file that is not a split.
    """
    part = part_of(load_split(split))
    by_corruption = {CLEAN: part.images} | {
        (kind, strength): corrupt(part.images, kind, strength)
        for kind, corruption in CORRUPTIONS.items()
        for strength in corruption.strengths
    }
    return by_corruption, part.labels
