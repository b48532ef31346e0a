"""Where and with what a run is made: facts for MLflow that must not be in DVC's outputs."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fashionbench.pipeline.machine import available_cores
from fashionbench.portable.processor import name as processor_name

_PACKAGES = ("fashionbench", "torch", "numpy", "mlflow", "dvc")
EXPERIMENT_FACTS = {"dvc.experiment": "DVC_EXP_NAME", "dvc.baseline": "DVC_EXP_BASELINE_REV"}
"""Facts of an experiment that DVC runs, and the environment variables that hold them."""
_DVC_VARIABLES = {"dvc.stage": "DVC_STAGE", **EXPERIMENT_FACTS}


def describe() -> dict[str, str]:
    """Return the versions of packages, and the machine."""
    facts = {f"version.{package}": found for package in _PACKAGES if (found := _version(package))}
    return facts | {
        "version.python": platform.python_version(),
        "machine.cpu": processor_name(),
        "machine.cores": str(available_cores()),
        "machine.threads_per_replicate": "1",
        "machine.system": platform.platform(),
        "machine.architecture": platform.machine(),
    }


def _version(package: str) -> str:
    """Return a package's version; empty for this one where its code is used without installing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def place() -> dict[str, str]:
    """Return the git commit, and DVC's names of the stage and the experiment.

    ``git.changed_files`` counts the files that differ from the commit. What is not known (no git,
    no DVC, no experiment) is left out.
    """
    facts = {fact: os.environ[name] for fact, name in _DVC_VARIABLES.items() if name in os.environ}
    if commit := _git("rev-parse", "HEAD"):
        facts["git.commit"] = commit
        facts["git.changed_files"] = str(len(_git("status", "--porcelain").splitlines()))
    return facts


def is_of_baseline(file: Path) -> bool:
    """Return whether, in a DVC experiment, a file is as in the commit that it started from.

    False outside of an experiment.
    """
    baseline = os.environ.get(EXPERIMENT_FACTS["dvc.baseline"])
    if not baseline:
        return False
    committed = _git("rev-parse", "--verify", "--quiet", f"{baseline}:./{file.as_posix()}")
    return bool(committed) and committed == _git("hash-object", file.as_posix())


def committed_text(file: Path) -> str:
    """Return a file as of the last commit, or of the one that a DVC experiment started from.

    Empty if it is not there, or without git.
    """
    baseline = os.environ.get(EXPERIMENT_FACTS["dvc.baseline"], "HEAD")
    return _git("show", f"{baseline}:./{file.as_posix()}")


def _git(*arguments: str) -> str:
    """Return git's answer; empty without git or a repository."""
    try:
        answer = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
