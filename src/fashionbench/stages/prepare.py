"""Stage ``prepare``: split the official files into train, validation and test images."""

import logging

from fashionbench.data.official import read_official
from fashionbench.data.splits import save_split, stratified_indices
from fashionbench.params import load_params
from fashionbench.paths import split_file

_log = logging.getLogger(__name__)


def run() -> None:
    """Split the official training images; keep the official test images as they are.

    Raises ConfigError for sizes that the data do not allow, DataError for damaged files.
    """
    params = load_params()
    official, test = read_official("train"), read_official("t10k")
    train, val = stratified_indices(
        official.labels, params.train_size, params.val_size, params.split_seed
    )
    splits = {"train": official.take(train), "val": official.take(val), "test": test}
    for name, split in splits.items():
        save_split(split, split_file(name))
    _log.info(", ".join(f"{name}: {len(split)} images" for name, split in splits.items()))
