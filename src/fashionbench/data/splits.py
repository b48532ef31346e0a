"""Draw, write and read the splits of the data set."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from fashionbench.errors import ConfigError, DataError
from fashionbench.whole_files import replace_file

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
"""The names of labels 0 to 9, from the data set's README (github.com/zalandoresearch)."""


@dataclass(frozen=True)
class Split:
    """Images, uint8 of shape (n, 28, 28) with 0 for black, and labels, uint8 of shape (n,).

    Raises DataError for arrays of other types or shapes, and for labels above 9.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.labels.dtype != np.uint8:
            raise DataError(f"pixels and labels must be uint8, not {self.images.dtype}")
        if self.images.ndim != 3 or self.labels.shape != self.images.shape[:1]:
            raise DataError(
                f"images of shape {self.images.shape} do not fit labels of shape "
                f"{self.labels.shape}: one label per image is needed"
            )
        if self.labels.max(initial=0) >= len(CLASSES):
            raise DataError(
                f"there is a label {self.labels.max()}; allowed are 0 to {len(CLASSES) - 1}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: npt.NDArray[np.int64]) -> "Split":
        """Return the images at ``indices``, in that order."""
        return Split(self.images[indices], self.labels[indices])


def stratified_indices(
    labels: npt.NDArray[np.uint8], train_size: int, val_size: int, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Draw disjoint train and validation indices, each with the classes in equal proportion.

    Both are int64 and ascending. The validation images depend on ``seed`` and ``val_size`` alone,
    so that runs with fewer training images are validated on the same ones. Raises ConfigError if
    there are too few images.
    """
    # Imported here: it takes a second, and only the stage prepare needs it.
    from sklearn.model_selection import train_test_split

    check_sizes(train_size, val_size, len(labels))
    everything = np.arange(len(labels))
    rest, val = train_test_split(everything, test_size=val_size, stratify=labels, random_state=seed)
    if train_size < len(rest):
        rest, _ = train_test_split(
            rest, train_size=train_size, stratify=labels[rest], random_state=seed
        )
    return np.sort(rest), np.sort(val)


def check_sizes(train_size: int, val_size: int, images: int) -> None:
    """Raise ConfigError if splits of these sizes cannot be drawn from that many images."""
    for name, size in (("train_size", train_size), ("val_size", val_size)):
        if size < len(CLASSES):
            raise ConfigError(
                f"{name} = {size}: must be at least {len(CLASSES)}, one image per class"
            )
    if train_size + val_size > images:
        raise ConfigError(
            f"train_size = {train_size} and val_size = {val_size}: together they must be at most "
            f"the {images} labelled images"
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
