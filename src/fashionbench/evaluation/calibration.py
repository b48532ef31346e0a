"""Count how often predictions of each confidence are right."""

import numpy as np
import numpy.typing as npt

from fashionbench.evaluation.scores import BySeedAndSplit

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
