"""Stage ``prepare``: split the data set, in a study as its networks ask for."""

import logging
from pathlib import Path

from fashionbench.data.sources import RAW_DIR, read_part
from fashionbench.data.splits import draw_splits, save_split
from fashionbench.params import Params, load_params
from fashionbench.paths import project_folder, split_file
from fashionbench.studies.obtained import with_data

_log = logging.getLogger(__name__)


def run() -> None:
    """Split the training images; keep the test images as they are, or draw them if there are none.

    Raises ConfigError for sizes that the data do not allow, DataError for damaged files.
    """
    params = load_params()
    if not params.own_images:
        _prepare(params, RAW_DIR, "")
    for name, own in with_data(params).own_images.items():
        is_own = own.dataset.name in params.own_datasets
        _prepare(own, RAW_DIR / own.dataset.name if is_own else project_folder() / RAW_DIR, name)


def _prepare(params: Params, raw: Path, name: str) -> None:
    dataset = params.dataset
    labelled = read_part(dataset, "train", raw)
    drawn = draw_splits(
        dataset, labelled.labels, params.train_size, params.val_size, params.split_seed
    )
    splits = {name: labelled.take(indices) for name, indices in drawn.items()}
    if dataset.has_test_part:
        splits["test"] = read_part(dataset, "test", raw)
    for part, split in splits.items():
        save_split(split, split_file(part, name))
    sizes = ", ".join(f"{part}: {len(split)} images" for part, split in splits.items())
    _log.info(f"{dataset.title}, {sizes}")
