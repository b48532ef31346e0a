"""Which images each replicate gets right, from the stored predictions and the labels."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file

from fashionbench.errors import DataError
from fashionbench.paths import predictions_file, split_file

Correct = dict[str, npt.NDArray[np.bool_]]
"""By network: for each replicate and image whether it is classified correctly, (seeds, images)."""


def read_labels(split: str) -> npt.NDArray[np.uint8]:
    """Return the labels of a prepared split, (n,), without reading its images.

    Raises DataError if there are none.
    """
    try:
        # numpy's format reads one tensor and leaves the rest of the file alone.
        with safe_open(split_file(split), framework="numpy") as tensors:
            labels: npt.NDArray[np.uint8] = tensors.get_tensor("labels")
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"{split_file(split)} has no labels ({error}); run dvc repro prepare"
        ) from error
    return labels


def read_correct(
    folder: Path, networks: Iterable[str], seeds: Sequence[int], split: str
) -> Correct:
    """Compare the predictions kept in ``folder`` with the labels of a split.

    A network whose predictions are not there is left out. Raises DataError for predictions that do
    not fit the seeds or the labels.
    """
    correct = {}
    for name in networks:
        path = folder / predictions_file(name)
        if not path.exists():
            continue
        predicted, labels = load_file(path), read_labels(split)
        try:
            of_seeds = np.stack([predicted[f"{split}_seed_{seed}"] for seed in seeds])
            correct[name] = of_seeds == labels
        except (KeyError, ValueError) as error:
            raise DataError(
                f"{path} does not hold the predictions of seeds {list(seeds)} ({error}); run "
                f"dvc repro -f -s evaluate@{name}"
            ) from error
    return correct
