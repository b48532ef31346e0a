"""Stage ``prepare``: split the official files into train, validation and test images."""

import logging

from fashionbench.data.sources import RAW_DIR, read_images, read_labels
from fashionbench.data.splits import Split, save_split, stratified_indices
from fashionbench.errors import DataError
from fashionbench.params import load_params
from fashionbench.paths import split_file

_log = logging.getLogger(__name__)


def run() -> None:
    """Split the official training images; keep the official test images as they are.

    Raises ConfigError for sizes that the data do not allow, DataError for damaged files.
    """
    params = load_params()
    official, test = (_read_official(name) for name in ("train", "t10k"))
    train, val = stratified_indices(
        official.labels, params.train_size, params.val_size, params.split_seed
    )
    splits = {"train": official.take(train), "val": official.take(val), "test": test}
    for name, split in splits.items():
        save_split(split, split_file(name))
    _log.info(", ".join(f"{name}: {len(split)} images" for name, split in splits.items()))


def _read_official(name: str) -> Split:
    files = RAW_DIR / f"{name}-images-idx3-ubyte", RAW_DIR / f"{name}-labels-idx1-ubyte"
    images, labels = read_images(files[0]), read_labels(files[1])
    try:
        return Split(images, labels)
    except DataError as error:
        raise DataError(f"{files[0]} and {files[1].name}: {error}") from error
