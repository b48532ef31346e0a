"""Read the two parts of the official files."""

from typing import Literal

from fashionbench.data.sources import RAW_DIR, read_images, read_labels
from fashionbench.data.splits import Split
from fashionbench.errors import DataError


def read_official(name: Literal["train", "t10k"]) -> Split:
    """Return the training or the test images, with their labels; DataError for damaged files."""
    files = RAW_DIR / f"{name}-images-idx3-ubyte", RAW_DIR / f"{name}-labels-idx1-ubyte"
    images, labels = read_images(files[0]), read_labels(files[1])
    try:
        return Split(images, labels)
    except DataError as error:
        raise DataError(f"{files[0]} and {files[1].name}: {error}") from error
