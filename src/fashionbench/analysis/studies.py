"""Studies: experiments whose tables and lock are kept in git, beside the results they belong to."""

import hashlib
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fashionbench.analysis.comparison import COMPARISON_FILE, SUMMARY_FILE
from fashionbench.errors import DataError
from fashionbench.params import Params
from fashionbench.paths import METRICS_DIR
from fashionbench.yaml_files import read_yaml

LOGITS_STUDY = Path("studies/logits")
"""All networks trained with the textbook's loss; ``make logits`` makes it."""
LOCK_FILE = Path("dvc.lock")

_KEPT = (LOCK_FILE, METRICS_DIR / "networks", COMPARISON_FILE, SUMMARY_FILE)

_log = logging.getLogger(__name__)


def keep(rev: str, folder: Path) -> None:
    """Put the lock and the tables of an experiment into a folder, in the place of what it holds.

    Raises DataError if there is no such experiment, or if it has not ended well.
    """
    # Imported here: it costs a second, and reading a study does not need it.
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from scmrepo.exceptions import SCMError

    try:
        files = DVCFileSystem(rev=rev)
        missing = [path.as_posix() for path in _KEPT if not files.exists(path.as_posix())]
    except (DvcException, SCMError, OSError) as error:
        raise DataError(
            f"there is no experiment {rev!r} ({error}); dvc exp list names those there are"
        ) from error
    if missing:
        raise DataError(
            f"there is no experiment {rev!r} that has ended well (it has no {missing[0]}); dvc exp "
            "list names those there are"
        )
    shutil.rmtree(folder, ignore_errors=True)
    for path in _KEPT:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        files.get(path.as_posix(), str(folder / path), recursive=True)


def is_counterpart(folder: Path, params: Params) -> bool:
    """Whether a study differs from a run with ``params`` in ``loss_input`` and in nothing else.

    Warns, with what to do, if the study was made with other parameters or by other code.
    """
    difference = _difference(folder, params)
    if difference:
        _log.warning(f"{folder} is left out of the page: {difference} (make logits makes it anew)")
    return not difference


def _difference(folder: Path, params: Params) -> str:
    """The first thing in which a study is not the counterpart of a run, or nothing."""
    if not (folder / LOCK_FILE).exists():
        return "it has not been made"
    stages = read_yaml(folder / LOCK_FILE)["stages"]
    current = params.model_dump(mode="json")
    of_networks = [f"{stage}@{name}" for name in params.networks for stage in ("train", "evaluate")]
    for name in ("prepare", *of_networks):
        if name not in stages:
            return f"it has no stage {name}"
        locked = stages[name].get("params", {}).get("params.yaml", {})
        for parameter, value in locked.items():
            if parameter != "loss_input" and value != _value(current, parameter):
                return f"its {parameter} is {value}"
        for dep in stages[name]["deps"]:
            path = Path(dep["path"])
            if path.suffix == ".py" and not (path.exists() and _md5(path) == dep["md5"]):
                return f"it was made by another {path}"
    return ""


def _value(params: Mapping[str, Any], name: str) -> Any:
    value: Any = params
    for part in name.split("."):
        value = value[part]
    return value


def _md5(path: Path) -> str:
    """What DVC calls a file's hash."""
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
