"""Where and with what a run is made: all that must not stand in DVC's outputs."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("fashionbench", "torch", "numpy", "mlflow", "dvc")
EXPERIMENT_FACTS = {"dvc.experiment": "DVC_EXP_NAME", "dvc.baseline": "DVC_EXP_BASELINE_REV"}
"""Of an experiment that DVC runs: the variables that tell them."""
_DVC_VARIABLES = {"dvc.stage": "DVC_STAGE", **EXPERIMENT_FACTS}


def describe() -> dict[str, str]:
    """Versions and machine, and :func:`place`."""
    facts = {f"version.{package}": version(package) for package in _PACKAGES}
    facts |= {
        "version.python": platform.python_version(),
        "machine.cpu": _cpu_name(),
        "machine.cores": str(available_cores()),
        "machine.threads_per_replicate": "1",
        "machine.system": platform.platform(),
    }
    return facts | place()


def place() -> dict[str, str]:
    """The git commit, and DVC's names for the stage and the experiment.

    ``git.changed_files`` counts what the working tree has and the commit has not. What is not
    known (no git, no DVC, no experiment) is left out.
    """
    facts = {fact: os.environ[name] for fact, name in _DVC_VARIABLES.items() if name in os.environ}
    if commit := _git("rev-parse", "HEAD"):
        facts["git.commit"] = commit
        facts["git.changed_files"] = str(len(_git("status", "--porcelain").splitlines()))
    return facts


def is_of_baseline(file: Path) -> bool:
    """Whether a DVC experiment runs here and a file is as in the commit that it started from."""
    baseline = os.environ.get(EXPERIMENT_FACTS["dvc.baseline"])
    if not baseline:
        return False
    committed = _git("rev-parse", "--verify", "--quiet", f"{baseline}:./{file.as_posix()}")
    return bool(committed) and committed == _git("hash-object", file.as_posix())


def _git(*arguments: str) -> str:
    """What git says, or nothing where there is no git or no repository."""
    try:
        answer = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


def _cpu_name() -> str:
    """The processor's marketing name where Linux tells it, else what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def available_cores() -> int:
    """The cores that this process may run on, which a container or taskset can limit."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
