"""Remembers the state of results and store in which the mirror last had nothing to do.

If both are unchanged the mirror can stop at once: to find that here takes a fraction of a second,
while importing MLflow alone takes one to three.
"""

import hashlib
import json
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from fashionbench.paths import (
    PREPARED_DIR,
    SCRATCH_DIR,
    in_workspace,
    project_folder,
    repository_folder,
    study,
)
from fashionbench.tracking.address import artifacts_folder, store_address
from fashionbench.whole_files import replace_file

_PACKAGE = Path(__file__).parents[1]
_RESULTS = ("params.yaml", "dvc.yaml", "study.yaml", "models", "metrics")
"""Files and folders on which the contents of MLflow depend."""


def current_state() -> dict[str, object] | None:
    """Describe the current results and store by digests.

    Returns None where they do not determine whether the mirror has work: a server does not report
    its changes, and what an experiment in a copy must add depends on where it runs.
    """
    uri, database = store_address()
    if database is None or not database.exists() or not in_workspace():
        return None
    status = database.stat()
    return {
        "store": [uri, status.st_ino, status.st_size, status.st_mtime_ns],
        "artifacts": _listing(artifacts_folder(database)),
        "results": _digest([*map(Path, _RESULTS), project_folder() / PREPARED_DIR]),
        "code": [_digest([_PACKAGE]), version("mlflow")],
    }


def save(state: dict[str, object]) -> None:
    """Save a state in which the mirror had nothing to do."""
    replace_file(_file(), json.dumps(state).encode())


def is_saved(state: dict[str, object] | None) -> bool:
    """Tell whether a state is the saved one."""
    try:
        return state is not None and json.loads(_file().read_bytes()) == state
    except (OSError, ValueError):
        return False


def _file() -> Path:
    return repository_folder() / SCRATCH_DIR / (study() or "") / "mirrored.json"


def _listing(folder: Path) -> str:
    """Return the sha256 over names and sizes of all files in a folder, without reading them."""
    files = sorted((str(file), file.stat().st_size) for file in folder.rglob("*") if file.is_file())
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()


def _digest(paths: Iterable[Path]) -> str:
    """Return the sha256 over names and contents of all files at or below the given paths."""
    found = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and file.suffix != ".pyc":
                with file.open("rb") as content:
                    digest = hashlib.file_digest(content, "sha256").hexdigest()
                found.update(f"{file} {digest}\n".encode())
    return found.hexdigest()
