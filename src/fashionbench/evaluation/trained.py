"""Trained weights as a module, and its scores on images as they are and corrupted, in a worker."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from fashionbench.data.examples import load_examples
from fashionbench.data.splits import load_split
from fashionbench.errors import DataError
from fashionbench.evaluation.corruptions import (
    CLEAN,
    CORRUPTIONS,
    Images,
    corrupt,
    part_of,
)
from fashionbench.evaluation.scores import Evaluation
from fashionbench.networks.declared import build
from fashionbench.networks.forward import infer
from fashionbench.params import Device, LossInput, Network, Precision
from fashionbench.portable.processor import configure_torch
from fashionbench.training.losses import score


def load_trained(network: Network, weights: Path, device: Device) -> nn.Sequential:
    """Set up this process, and return the module of a replicate's weights.

    Raises DataError for weights that do not fit the network.
    """
    configure_torch()
    # Not without initial values: torch imports sympy, for two seconds, to give memory to such a
    # module.
    module = build(network)
    try:
        module.load_state_dict(load_file(weights))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise DataError(
            f"{weights} does not hold the weights of {network.name} "
            f"({str(error).splitlines()[0]}); run dvc repro -f -s train@{network.name}"
        ) from error
    return module.to(device)


def evaluate(logits: Tensor, labels: Tensor, loss_input: LossInput) -> Evaluation:
    """Score float32 logits (n, classes) against int64 labels (n,)."""
    scored = score(logits, labels, loss_input)
    classes = logits.shape[1]
    # From logits: the probabilities of two classes may both round to 1.
    predictions = logits.argmax(dim=1)
    confidences = logits.softmax(dim=1).amax(dim=1)
    pairs = labels * classes + predictions
    confusion = pairs.bincount(minlength=classes**2).reshape(classes, classes)
    return Evaluation(
        loss=scored.loss,
        accuracy=scored.accuracy,
        confusion=confusion.cpu().numpy(),
        predictions=predictions.byte().cpu().numpy(),
        correct=(predictions == labels).cpu().numpy(),
        confidences=confidences.cpu().numpy(),
    )


@dataclass(frozen=True, kw_only=True)
class EvaluationTask:
    """The weights of one replicate and the split to score them on, as files."""

    network: Network
    loss_input: LossInput
    device: Device
    precision: Precision
    weights: Path
    split: Path

    def __str__(self) -> str:
        return f"{self.weights} on {self.split}"


def run_evaluation(task: EvaluationTask) -> Evaluation:
    """Carry out a task in a worker. Raises DataError for weights that do not fit the network."""
    module = load_trained(task.network, task.weights, task.device)
    examples = load_examples(task.split, task.device)
    logits = infer(module, examples.images, task.precision)
    return evaluate(logits, examples.labels, task.loss_input)


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
