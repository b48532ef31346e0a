"""Scores of trained weights on a split."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from fashionbench.data.examples import load_examples
from fashionbench.data.splits import CLASSES, Split
from fashionbench.errors import DataError
from fashionbench.params import Device, LossInput, Network, Precision
from fashionbench.training.losses import score
from fashionbench.training.networks import configure_torch, infer, restore

SHOWN_ERRORS = 8


@dataclass(frozen=True)
class Evaluation:
    """Loss in nats and accuracy over a split, its confusion matrix, and what it is made of.

    ``confusion[actual, predicted]`` counts images: int64 of shape (classes, classes).
    ``predictions`` is the class found for each image, in the split's order: uint8 of shape (n,);
    ``confidences`` the probability that the network gives it: float32 of shape (n,).
    """

    loss: float
    accuracy: float
    confusion: npt.NDArray[np.int64]
    predictions: npt.NDArray[np.uint8]
    confidences: npt.NDArray[np.float32]

    @property
    def class_accuracy(self) -> npt.NDArray[np.float64]:
        """The share of each class that is recognised: (classes,); nan for a class not present."""
        present = self.confusion.sum(axis=1)
        shares = np.full(len(present), np.nan)
        np.divide(self.confusion.diagonal(), present, out=shares, where=present > 0)
        return shares


def evaluate(logits: Tensor, labels: Tensor, loss_input: LossInput) -> Evaluation:
    """Score logits (n, classes) against int64 labels (n,)."""
    scored = score(logits, labels, loss_input)
    classes = logits.shape[1]
    # Not by the largest probability: those of two classes may both round to 1.
    predictions = logits.argmax(dim=1)
    confidences = logits.softmax(dim=1).amax(dim=1)
    pairs = labels * classes + predictions
    confusion = pairs.bincount(minlength=classes**2).reshape(classes, classes)
    return Evaluation(
        loss=scored.loss,
        accuracy=scored.accuracy,
        confusion=confusion.cpu().numpy(),
        predictions=predictions.byte().cpu().numpy(),
        confidences=confidences.cpu().numpy(),
    )


@dataclass(frozen=True, kw_only=True)
class EvaluationTask:
    """Score the weights of a replicate on the split in a file."""

    network: Network
    loss_input: LossInput
    device: Device
    precision: Precision
    weights: Path
    split: Path

    def __str__(self) -> str:
        return f"{self.weights} on {self.split}"


def run_evaluation(task: EvaluationTask) -> Evaluation:
    """What a worker does. Raises DataError for weights that do not fit the network."""
    configure_torch()
    try:
        module = restore(task.network, load_file(task.weights), task.device)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise DataError(
            f"{task.weights} does not hold the weights of {task.network.name} "
            f"({str(error).splitlines()[0]}); run dvc repro -f -s train@{task.network.name}"
        ) from error
    examples = load_examples(task.split, task.device)
    logits = infer(module, examples.images, task.precision)
    return evaluate(logits, examples.labels, task.loss_input)


BySeedAndSplit = Mapping[int, Mapping[str, Evaluation]]


def score_rows(evaluations: BySeedAndSplit) -> list[dict[str, object]]:
    """A row a seed and split: loss, accuracy, and the accuracy of each class by its name."""
    return [
        {"seed": seed, "split": split, "loss": found.loss, "accuracy": found.accuracy}
        | {f"accuracy {name}": share for name, share in _by_class(found.class_accuracy)}
        for seed, of_seed in evaluations.items()
        for split, found in of_seed.items()
    ]


def confusion_rows(evaluations: BySeedAndSplit, split: str = "test") -> list[dict[str, object]]:
    """A row a seed, actual and predicted class: the number of images of ``split``."""
    return [
        {"seed": seed, "actual": actual, "predicted": predicted, "images": int(count)}
        for seed, of_seed in evaluations.items()
        for actual, counts in _by_class(of_seed[split].confusion)
        for predicted, count in _by_class(counts)
    ]


def predictions_by_seed(
    evaluations: BySeedAndSplit, split: str = "test"
) -> dict[str, npt.NDArray[np.uint8]]:
    """Under ``seed_0`` and so on, the predicted classes of ``split``: uint8 of shape (n,)."""
    return {f"seed_{seed}": of_seed[split].predictions for seed, of_seed in evaluations.items()}


def best_seed(evaluations: BySeedAndSplit) -> int:
    """The seed with the highest validation accuracy, the first among equals."""
    return max(evaluations, key=lambda seed: evaluations[seed]["val"].accuracy)


def worst_errors(found: Evaluation, split: Split) -> dict[str, npt.NDArray[Any]]:
    """The SHOWN_ERRORS wrong answers of which a network was the surest, the surest first.

    ``images`` (n, 28, 28), ``labels`` and ``predictions`` (n,), all uint8, and float32
    ``confidences`` (n,); n is smaller if there are fewer.
    """
    wrong = np.flatnonzero(found.predictions != split.labels)
    surest = wrong[np.argsort(-found.confidences[wrong], kind="stable")][:SHOWN_ERRORS]
    return {
        "images": split.images[surest],
        "labels": split.labels[surest],
        "predictions": found.predictions[surest],
        "confidences": found.confidences[surest],
    }


def _by_class(values: npt.NDArray[Any]) -> Iterable[tuple[str, Any]]:
    return zip(CLASSES, values, strict=True)
