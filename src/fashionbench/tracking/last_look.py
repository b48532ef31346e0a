"""Whether anything has changed since the mirror last found that MLflow shows what DVC holds.

Most starts of the mirror have nothing to do. To find that here takes a fraction of a second, while
importing MLflow alone takes one to three.
"""

import hashlib
import json
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from fashionbench.paths import SCRATCH_DIR, in_workspace, repository_folder
from fashionbench.tracking.address import store_address

_PACKAGE = Path(__file__).parents[1]
_HELD = ("params.yaml", "dvc.yaml", "data/prepared", "models", "metrics")
"""What a run is known by, and what it shows."""


def take() -> dict[str, object] | None:
    """Describe the results and the store as they are now.

    Return None where that cannot tell whether the mirror has work: a server says nothing of its
    changes, and what an experiment in a copy must add depends on where it runs.
    """
    uri, database = store_address()
    if database is None or not database.exists() or not in_workspace():
        return None
    status = database.stat()
    return {
        "store": [uri, status.st_ino, status.st_size, status.st_mtime_ns],
        "results": _digest(Path(path) for path in _HELD),
        "code": [_digest([_PACKAGE]), version("mlflow")],
    }


def remember(look: dict[str, object]) -> None:
    """Keep a look at which the mirror had nothing to do."""
    path = _file()
    path.parent.mkdir(parents=True, exist_ok=True)
    incoming = path.with_suffix(".incoming")
    incoming.write_text(json.dumps(look), encoding="utf-8")
    incoming.replace(path)


def is_as_remembered(look: dict[str, object] | None) -> bool:
    """Tell whether a look is the one that was kept."""
    try:
        return look is not None and json.loads(_file().read_bytes()) == look
    except (OSError, ValueError):
        return False


def _file() -> Path:
    return repository_folder() / SCRATCH_DIR / "mirrored.json"


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
