"""Draw, write and read the splits of the data set, and count images that occur more than once."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from fashionbench.datasets import Dataset
from fashionbench.errors import ConfigError, DataError
from fashionbench.files import replace_file


@dataclass(frozen=True)
class Split:
    """Images, uint8 of shape (n, height, width[, 3]) with 0 for black, and labels, uint8 (n,).

    Raises DataError for arrays of other types or shapes.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.labels.dtype != np.uint8:
            raise DataError(f"pixels and labels must be uint8, not {self.images.dtype}")
        if self.images.ndim not in (3, 4) or self.labels.shape != self.images.shape[:1]:
            raise DataError(
                f"images of shape {self.images.shape} do not fit labels of shape "
                f"{self.labels.shape}: one label per image is needed"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: "Indices | slice") -> "Split":
        """Return the images at ``indices``, in that order."""
        return Split(self.images[indices], self.labels[indices])


Indices = npt.NDArray[np.int64]
"""Ascending."""


def draw_splits(
    dataset: Dataset, labels: npt.NDArray[np.uint8], train_size: int, val_size: int, seed: int
) -> dict[str, Indices]:
    """Draw disjoint train and val indices of the labelled images, and test ones if need be.

    Each has the classes in equal proportion. A data set without a test part of its own gets one as
    large as that for validation. The validation images do not depend on ``train_size``, so that
    runs with fewer training images are validated on the same ones. Raises ConfigError if there are
    too few images, of all classes or of one.
    """
    # Imported here: it takes a second, and only the stage prepare needs it.
    from sklearn.model_selection import train_test_split

    check_sizes(dataset, train_size, val_size)
    counts = np.bincount(labels, minlength=len(dataset.classes))
    if counts.min() < 3:
        raise _too_few(dataset, int(counts.argmin()), int(counts.min()), "training")
    rest, drawn = np.arange(len(labels)), {}
    for name in ("val",) if dataset.has_test_part else ("test", "val"):
        rest, drawn[name] = train_test_split(
            rest, test_size=val_size, stratify=labels[rest], random_state=seed
        )
    if train_size < len(rest):
        rest, _ = train_test_split(
            rest, train_size=train_size, stratify=labels[rest], random_state=seed
        )
    drawn["train"] = rest
    for name, indices in drawn.items():
        present = np.bincount(labels[indices], minlength=len(dataset.classes))
        if not present.all():
            label = int(present.argmin())
            raise _too_few(dataset, label, int(counts[label]), name)
    return {name: np.sort(indices) for name, indices in drawn.items()}


def _too_few(dataset: Dataset, label: int, images: int, split: str) -> ConfigError:
    return ConfigError(
        f"class {dataset.classes[label]!r} of {dataset.name} has {images} images, which leaves "
        f"none for the split {split}; give it more images, or make the split larger"
    )


def check_sizes(dataset: Dataset, train_size: int, val_size: int) -> None:
    """Raise ConfigError if splits of these sizes cannot be drawn from a data set."""
    classes, images = len(dataset.classes), dataset.labelled_images
    for name, size in (("train_size", train_size), ("val_size", val_size)):
        if size < classes:
            raise ConfigError(f"{name} = {size}: must be at least {classes}, one image per class")
    test_size = 0 if dataset.has_test_part else val_size
    if train_size + val_size + test_size > images:
        drawn = ", and as many for testing" if test_size else ""
        raise ConfigError(
            f"train_size = {train_size} and val_size = {val_size}{drawn}: together "
            f"they must be at most the {images} labelled images"
        )


def save_split(split: Split, path: Path) -> None:
    """Write a split as safetensors; equal splits give equal bytes. Raises OSError."""
    replace_file(path, save({"images": split.images, "labels": split.labels}))


def load_split(path: Path) -> Split:
    """Read a split. Raises DataError if the file is missing or is not a split."""
    try:
        tensors = load_file(path)
        return Split(tensors["images"], tensors["labels"])
    except (OSError, SafetensorError, KeyError, DataError) as error:
        raise DataError(f"{path} is not a split ({error}); run dvc repro prepare") from error


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Numbers of images that equal another one, byte by byte.

    ``train`` and ``test`` count the images that repeat an earlier one of the same part,
    ``in_both`` the test images that are among the training images too, and ``other_label`` those of
    the latter that have another label there.
    """

    train: int
    test: int
    in_both: int
    other_label: int


def count_duplicates(train: Split, test: Split) -> Duplicates:
    """Compare all images of the two parts of the data set with each other."""
    labels_in_train, labels_in_test = (_labels_by_image(split) for split in (train, test))
    shared = {image: labels_in_train[image] for image in labels_in_train.keys() & labels_in_test}
    return Duplicates(
        train=len(train) - len(labels_in_train),
        test=len(test) - len(labels_in_test),
        in_both=sum(len(labels_in_test[image]) for image in shared),
        other_label=sum(
            label not in labels
            for image, labels in shared.items()
            for label in labels_in_test[image]
        ),
    )


def _labels_by_image(split: Split) -> dict[bytes, list[int]]:
    labels = defaultdict(list)
    for image, label in zip(split.images, split.labels.tolist(), strict=True):
        labels[image.tobytes()].append(label)
    return dict(labels)
