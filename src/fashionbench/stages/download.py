"""Stage ``download``: fetch and verify the files of the data set, or of each one of a study."""

import logging
from collections.abc import Iterator
from pathlib import Path

from fashionbench.data.sources import RAW_DIR, fetch, is_whole, user_folder
from fashionbench.datasets import Dataset
from fashionbench.errors import DataError
from fashionbench.params import Params, load_params
from fashionbench.studies.obtained import write_obtained

_log = logging.getLogger(__name__)


def run(folder: Path | None = None) -> None:
    """Fetch from ``folder``, else from that in FASHIONBENCH_DATA, else from where it is published.

    Raises DataError if no source has the declared files; in a study with data sets of its own, if
    none of these can be had.
    """
    params = load_params()
    if params.own_datasets:
        RAW_DIR.mkdir(parents=True, exist_ok=True)
        write_obtained(params, [*_fetch_own(params)])
    else:
        _fetch(params.dataset, RAW_DIR, folder or user_folder())


def _fetch_own(params: Params) -> Iterator[str]:
    """Fetch each of a study's own data sets that can be had, and yield its name.

    What was fetched before stays, so that the study can be made again without a network. In
    FASHIONBENCH_DATA a data set may have a folder of its name.
    """
    for name, own in params.own_datasets.items():
        place = RAW_DIR / name
        try:
            if not is_whole(own.dataset, place):
                local = (user_folder() or Path()) / name
                _fetch(own.dataset, place, local if local.is_dir() else None)
        except DataError as error:
            _log.warning(f"the study goes on without {own.dataset.title}: {error}")
        else:
            yield name


def _fetch(dataset: Dataset, place: Path, folder: Path | None) -> None:
    source = fetch(dataset, place, folder)
    _log.info(f"{dataset.title} comes from {source}; every file is as declared")
