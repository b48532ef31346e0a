"""Stage ``mirror``: bring MLflow up to date with DVC's results, whichever stages have run.

It remembers the state of results and store in which it last had nothing to do, and stops at once if
both are unchanged: to find that takes a fraction of a second, and to import MLflow one to three.
"""

import json
import os
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from fashionbench.files import replace_file
from fashionbench.paths import (
    PREPARED_DIR,
    SCRATCH_DIR,
    in_workspace,
    project_folder,
    repository_folder,
    study,
)
from fashionbench.tracking.address import (
    artifacts_folder,
    print_view_addresses,
    store_address,
)

_PASSES = 2
"""The second finds nothing to add, unless another process changes the store at the same time."""
_PACKAGE = Path(__file__).parents[1]
_RESULTS = ("params.yaml", "dvc.yaml", "study.yaml", "models", "metrics", "data/champions")
"""Files and folders on which the contents of MLflow depend."""


def run() -> None:
    """Add to MLflow what it lacks; tell who types the command, unlike DVC, where to look.

    Raises ConfigError, or DataError if a table is missing.
    """
    _mirror()
    if "DVC_STAGE" not in os.environ:
        print_view_addresses()


def _mirror() -> None:
    if _is_saved(_state()):
        return
    # Imported here, since importing MLflow takes seconds and there is usually nothing to do.
    from fashionbench.params import load_params
    from fashionbench.studies.obtained import with_data
    from fashionbench.tracking.sync import mirror_pipeline

    params = with_data(load_params())
    for _ in range(_PASSES):
        before = _state()
        if not mirror_pipeline(params):
            return
        if before and before == _state():
            replace_file(_file(), json.dumps(before).encode())
            return


def _state() -> list[object]:
    """Describe results and store by the sizes and times of their files.

    Empty where they do not determine whether the mirror has work: a server does not report its
    changes, and what an experiment in a copy must add depends on where it runs.
    """
    uri, database = store_address()
    if database is None or not database.exists() or not in_workspace():
        return []
    results = [Path(name) for name in _RESULTS]
    folders = [database, artifacts_folder(database), _PACKAGE, project_folder() / PREPARED_DIR]
    return [uri, version("mlflow"), *_listing([*results, *folders])]


def _listing(paths: Iterable[Path]) -> Iterable[list[object]]:
    """Yield name, size and last change of each file at or below the given paths."""
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and file.suffix != ".pyc":
                status = file.stat()
                yield [str(file), status.st_size, status.st_mtime_ns]


def _is_saved(state: list[object]) -> bool:
    try:
        return bool(state) and json.loads(_file().read_bytes()) == state
    except (OSError, ValueError):
        return False


def _file() -> Path:
    return repository_folder() / SCRATCH_DIR / (study() or "") / "mirrored.json"
