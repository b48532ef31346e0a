"""Studies: experiments whose tables and lock are kept in git beside the main results."""

import hashlib
import logging
import shutil
from pathlib import Path

from fashionbench.analysis.files import COMPARISON_FILE, LOCK_FILE, SUMMARY_FILE
from fashionbench.errors import DataError
from fashionbench.params import Params
from fashionbench.paths import METRICS_DIR
from fashionbench.pipeline.dependencies import look_up
from fashionbench.yaml_files import read_yaml

LOGITS_STUDY = Path("studies/logits")
"""All networks trained with cross-entropy of logits; ``make logits`` creates it."""

_KEPT = (LOCK_FILE, METRICS_DIR / "networks", COMPARISON_FILE, SUMMARY_FILE)

_log = logging.getLogger(__name__)


def keep(rev: str, folder: Path) -> None:
    """Copy the lock and the tables of an experiment into a folder, replacing its contents.

    ``rev`` is an experiment, a commit or a branch. Raises DataError if it does not exist or its
    results are incomplete.
    """
    # Imported here: it takes a second, and reading a study does not need it.
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from scmrepo.exceptions import SCMError

    try:
        files = DVCFileSystem(rev=rev)
        missing = [path.as_posix() for path in _KEPT if not files.exists(path.as_posix())]
    except (DvcException, SCMError, OSError) as error:
        raise DataError(
            f"there is no experiment {rev!r} ({error}); dvc exp list names the experiments"
        ) from error
    if missing:
        raise DataError(
            f"there is no complete experiment {rev!r} (it has no {missing[0]}); dvc exp list names "
            "the experiments"
        )
    shutil.rmtree(folder, ignore_errors=True)
    for path in _KEPT:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        files.get(path.as_posix(), str(folder / path), recursive=True)


def is_counterpart(folder: Path, params: Params) -> bool:
    """Tell whether a study differs from a run with ``params`` in ``loss_input`` only.

    Logs a warning with the first other difference, in parameters or in code, and the remedy.
    """
    difference = _difference(folder, params)
    if difference:
        _log.warning(f"{folder} is left out of the page: {difference}; run make logits to renew it")
    return not difference


def _difference(folder: Path, params: Params) -> str:
    """Describe the first difference between a study and a run besides loss_input; empty if none."""
    if not (folder / LOCK_FILE).exists():
        return "it does not exist"
    stages = read_yaml(folder / LOCK_FILE)["stages"]
    # As in params.yaml, without defaults: that is what dvc.lock records.
    current = params.model_dump(mode="json", exclude_unset=True)
    of_networks = [f"{stage}@{name}" for name in params.networks for stage in ("train", "evaluate")]
    for name in ("prepare", *of_networks):
        if name not in stages:
            return f"it has no stage {name}"
        locked = stages[name].get("params", {}).get("params.yaml", {})
        for parameter in sorted(locked.keys() - {"loss_input"}):
            try:
                value = look_up(current, parameter)
            except KeyError:
                return f"its {parameter} is not in params.yaml"
            if value != locked[parameter]:
                return f"its {parameter} is {locked[parameter]}, not {value}"
        for dep in stages[name]["deps"]:
            path = Path(dep["path"])
            if path.suffix == ".py" and not (path.exists() and _md5(path) == dep["md5"]):
                return f"it was made with another version of {path}"
    return ""


def _md5(path: Path) -> str:
    """Return the md5 by which dvc.lock records a file."""
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
