"""Score trained weights on a split."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from fashionbench.data.examples import load_examples
from fashionbench.data.splits import CLASSES, Split
from fashionbench.errors import DataError
from fashionbench.params import Device, LossInput, Network, Precision
from fashionbench.training.losses import score
from fashionbench.training.networks import configure_torch, infer, restore

SHOWN_ERRORS = 8


@dataclass(frozen=True)
class Evaluation:
    """Loss in nats, accuracy and confusion matrix of a split, and the predictions behind them.

    ``confusion[actual, predicted]`` counts images: int64 of shape (classes, classes).
    ``predictions`` holds the predicted class of each image, in the split's order: uint8 of shape
    (n,); ``correct`` whether it is the right one: bool (n,); ``confidences`` its probability:
    float32 (n,).
    """

    loss: float
    accuracy: float
    confusion: npt.NDArray[np.int64]
    predictions: npt.NDArray[np.uint8]
    correct: npt.NDArray[np.bool_]
    confidences: npt.NDArray[np.float32]

    @property
    def class_accuracy(self) -> npt.NDArray[np.float64]:
        """Share of each class that is recognised: (classes,); nan for a class without images."""
        present = self.confusion.sum(axis=1)
        shares = np.full(len(present), np.nan)
        np.divide(self.confusion.diagonal(), present, out=shares, where=present > 0)
        return shares


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
class ScoringTask:
    """The weights of one replicate and the split to score them on, as files."""

    network: Network
    device: Device
    precision: Precision
    weights: Path
    split: Path

    def __str__(self) -> str:
        return f"{self.weights} on {self.split}"


@dataclass(frozen=True, kw_only=True)
class EvaluationTask(ScoringTask):
    """A task whose loss is reported too."""

    loss_input: LossInput


def run_evaluation(task: EvaluationTask) -> Evaluation:
    """Carry out a task in a worker. Raises DataError for weights that do not fit the network."""
    module = restore_replicate(task)
    examples = load_examples(task.split, task.device)
    logits = infer(module, examples.images, task.precision)
    return evaluate(logits, examples.labels, task.loss_input)


def restore_replicate(task: ScoringTask) -> nn.Sequential:
    """Set up this process, and return the module of a task's weights.

    Raises DataError for weights that do not fit the network.
    """
    configure_torch()
    try:
        return restore(task.network, load_file(task.weights), task.device)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise DataError(
            f"{task.weights} does not hold the weights of {task.network.name} "
            f"({str(error).splitlines()[0]}); run dvc repro -f -s train@{task.network.name}"
        ) from error


BySeedAndSplit = Mapping[int, Mapping[str, Evaluation]]
"""Evaluations by seed, then by the name of the split."""


def score_rows(evaluations: BySeedAndSplit) -> list[dict[str, object]]:
    """Return one row per seed and split: loss, accuracy and the accuracy of each class by name."""
    return [
        {"seed": seed, "split": split, "loss": found.loss, "accuracy": found.accuracy}
        | {f"accuracy {name}": share for name, share in _by_class(found.class_accuracy)}
        for seed, of_seed in evaluations.items()
        for split, found in of_seed.items()
    ]


def confusion_rows(evaluations: BySeedAndSplit, split: str = "test") -> list[dict[str, object]]:
    """Return one row per seed, actual class and predicted class: the number of images."""
    return [
        {"seed": seed, "actual": actual, "predicted": predicted, "images": int(count)}
        for seed, of_seed in evaluations.items()
        for actual, counts in _by_class(of_seed[split].confusion)
        for predicted, count in _by_class(counts)
    ]


def predictions(
    evaluations: BySeedAndSplit, splits: Sequence[str] = ("val", "test")
) -> dict[str, npt.NDArray[np.uint8]]:
    """Return the predicted classes under names such as ``test_seed_0``: uint8 of shape (n,)."""
    return {
        f"{split}_seed_{seed}": of_seed[split].predictions
        for split in splits
        for seed, of_seed in evaluations.items()
    }


def worst_errors(found: Evaluation, split: Split) -> dict[str, npt.NDArray[Any]]:
    """Return the SHOWN_ERRORS wrong predictions with the highest confidence, highest first.

    ``images`` (n, 28, 28), ``labels`` and ``predictions`` (n,), all uint8, and float32
    ``confidences`` (n,); n is smaller if there are fewer errors.
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
