"""Scores of trained weights on a split, and the tables and arrays that are written of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fashionbench.data.splits import Split

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


BySeedAndSplit = Mapping[int, Mapping[str, Evaluation]]
"""Evaluations by seed, then by the name of the split."""


def score_rows(evaluations: BySeedAndSplit, classes: Sequence[str]) -> list[dict[str, object]]:
    """Return one row per seed and split: loss, accuracy and the accuracy of each class by name."""
    return [
        {"seed": seed, "split": split, "loss": found.loss, "accuracy": found.accuracy}
        | {
            f"accuracy {name}": share
            for name, share in zip(classes, found.class_accuracy, strict=True)
        }
        for seed, of_seed in evaluations.items()
        for split, found in of_seed.items()
    ]


def confusion_rows(
    evaluations: BySeedAndSplit, classes: Sequence[str], split: str = "test"
) -> list[dict[str, object]]:
    """Return one row per seed, actual class and predicted class: the number of images."""
    return [
        {"seed": seed, "actual": actual, "predicted": predicted, "images": int(count)}
        for seed, of_seed in evaluations.items()
        for actual, counts in zip(classes, of_seed[split].confusion, strict=True)
        for predicted, count in zip(classes, counts, strict=True)
    ]


def predictions(
    evaluations: BySeedAndSplit, labels: Mapping[str, npt.NDArray[np.uint8]]
) -> dict[str, npt.NDArray[np.uint8]]:
    """Return the classes predicted in splits, by names such as ``test_seed_0``, and their labels.

    ``labels`` are those of each split, (n,), returned under names such as ``test_labels``; all
    arrays of a split are uint8 of shape (n,).
    """
    predicted = {
        f"{split}_seed_{seed}": of_seed[split].predictions
        for split in labels
        for seed, of_seed in evaluations.items()
    }
    return predicted | {f"{split}_labels": of_split for split, of_split in labels.items()}


def worst_errors(found: Evaluation, split: Split) -> dict[str, npt.NDArray[Any]]:
    """Return the SHOWN_ERRORS wrong predictions with the highest confidence, highest first.

    ``images`` (n, height, width[, 3]), ``labels`` and ``predictions`` (n,), all uint8, and float32
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


BINS = 15
"""Bins of equal width, as in Guo et al., On calibration of modern neural networks (ICML 2017)."""


def calibration_rows(evaluations: BySeedAndSplit) -> list[dict[str, object]]:
    """Return one row per seed, split and bin of confidence, also for empty bins.

    Bin b of 1 to BINS holds the images whose predicted class has a probability above (b - 1) / BINS
    and up to b / BINS: ``images`` counts them, ``correct`` those that are classified correctly, and
    ``confidence`` is the sum of their probabilities.
    """
    return [
        {"seed": seed, "split": split} | row
        for seed, of_seed in evaluations.items()
        for split, found in of_seed.items()
        for row in _bins(found.confidences, found.correct)
    ]


def _bins(
    confidences: npt.NDArray[np.float32], correct: npt.NDArray[np.bool_]
) -> list[dict[str, object]]:
    # In float64 and one by one: the same sums on every processor.
    wide = confidences.astype(np.float64)
    places = np.clip(np.ceil(wide * BINS).astype(np.int64), 1, BINS)
    images, right, total = (
        np.bincount(places, weights, minlength=BINS + 1) for weights in (None, correct, wide)
    )
    return [
        {"bin": b, "images": int(images[b]), "correct": int(right[b]), "confidence": total[b]}
        for b in range(1, BINS + 1)
    ]


def best_seed(accuracies: Mapping[int, float]) -> int:
    """Return the seed with the highest accuracy, the lowest seed among equals.

    ``accuracies`` are those on the validation images, by seed; ValueError if there are none.
    """
    return max(accuracies, key=lambda seed: (accuracies[seed], -seed))
