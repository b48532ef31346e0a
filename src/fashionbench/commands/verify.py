"""The command ``fashionbench verify``: reruns the pipeline in a clean clone, compares the results.

There are three outcomes. Identical: every output has the committed hash. Different: an x86-64
processor made other bits, which is an error. Not comparable: another processor did, where bits are
not promised; then the scores are compared.
"""

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from fashionbench.analysis.files import KINDS, LOCK_FILE
from fashionbench.analysis.statistics import Estimate, estimate
from fashionbench.errors import VerificationError
from fashionbench.paths import METRICS_DIR, STUDIES_DIR
from fashionbench.pipeline.dependencies import PIPELINE_FILE
from fashionbench.pipeline.processor import is_x86
from fashionbench.tables import read_table
from fashionbench.whole_files import replace_file
from fashionbench.yaml_files import read_yaml

_SHOWN = 8
"""Digits of a hash in the table, enough to tell two apart."""


@dataclass(frozen=True)
class Output:
    """An output of a stage with its committed and its new hash, None where a lock lacks it."""

    path: str
    committed: str | None
    now: str | None

    @property
    def is_identical(self) -> bool:
        """Whether the output was reproduced to the last bit."""
        return self.committed is not None and self.committed == self.now


def verify(lock: Path = LOCK_FILE, settings: Sequence[str] = (), study: str | None = None) -> None:
    """Run the pipeline of the current commit in a clone, and print a table of all outputs' hashes.

    ``settings`` are parameters to run it with, as for ``dvc exp run -S``; ``lock`` is the committed
    lock of such a run. ``study`` names a study to run instead, with a lock of its own. The clone
    has no access to DVC's cache of this repository and is removed afterwards. Raises
    VerificationError if the pipeline fails, if an output differs on an x86-64 processor, or if a
    score on another one lies outside the interval of the committed replicates.
    """
    console, place = Console(), _folder_of(study)
    lock = place / lock
    with _clone() as (folder, commit):
        committed = read_hashes(folder / lock)
        # Committed scores are of the parameters as committed.
        scores = {} if settings else read_scores(folder / place)
        run_pipeline(folder, settings, study)
        outputs = compare(committed, read_hashes(folder / place / LOCK_FILE))
        comparisons = compare_scores(scores, read_scores(folder / place))
    differing = [output for output in outputs if not output.is_identical]
    console.print(outputs_as_table(outputs, lock, commit))
    if not differing:
        console.print("Identical.", style="bold")
    elif is_x86():
        raise VerificationError(_describe(differing, len(outputs), lock, commit))
    else:
        console.print(
            f"Not comparable: {lock} holds bits of x86-64 processors, and this is "
            f"{platform.machine()}.",
            style="bold",
        )
        console.print(_scores_as_table(comparisons))
        outside = [found for found in comparisons if not found.is_inside]
        if outside:
            raise VerificationError(
                f"{len(outside)} of {len(comparisons)} scores lie outside the 95% interval of the "
                f"committed replicates (first: {outside[0].name}); about one in twenty may"
            )


def _describe(differing: Sequence[Output], outputs: int, lock: Path, commit: str) -> str:
    # Imported here: only a failure needs torch.
    from fashionbench.commands.doctor import diagnosis
    from fashionbench.training import self_test

    paths = ", ".join(output.path for output in differing[:3])
    cause = (
        f"this machine computes in another way: {diagnosis()}"
        if self_test.differing()
        else "this machine makes the known bits (fashionbench doctor), so that the cause is "
        "elsewhere: code, parameters or packages that did not make the lock"
    )
    return (
        f"{len(differing)} of {outputs} outputs of commit {commit} differ from {lock} "
        f"({paths}{', ...' * (len(differing) > 3)}); {cause}"
    )


def write_lock(lock: Path, settings: Sequence[str], study: str | None = None) -> None:
    """Create the lock that :func:`verify` compares with, by running the pipeline in a clone."""
    place = _folder_of(study)
    with _clone() as (folder, _):
        run_pipeline(folder, settings, study)
        replace_file(place / lock, (folder / place / LOCK_FILE).read_bytes())


def _folder_of(study: str | None) -> Path:
    """Return the folder of a pipeline; VerificationError for a study that is not there."""
    if study is None:
        return Path()
    folder = STUDIES_DIR / study
    if not (folder / PIPELINE_FILE).is_file():
        known = ", ".join(path.parent.name for path in sorted(STUDIES_DIR.glob("*/dvc.yaml")))
        raise VerificationError(f"there is no study {study!r}; there are {known or 'none'}")
    return folder


@contextmanager
def _clone() -> Iterator[tuple[Path, str]]:
    """Yield a temporary clone of the current commit, and that commit's abbreviated hash.

    Raises VerificationError if tracked files have uncommitted changes.
    """
    commit = _git("rev-parse", "--short", "HEAD")
    if _git("status", "--porcelain", "--untracked-files=no"):
        raise VerificationError(
            f"there are changes that are not in commit {commit}; commit or stash them first"
        )
    with tempfile.TemporaryDirectory(prefix="fashionbench-verify-") as folder:
        subprocess.run(["git", "clone", "--quiet", ".", folder], check=True)
        yield Path(folder), commit


def run_pipeline(repository: Path, settings: Sequence[str] = (), study: str | None = None) -> None:
    """Run all stages in a repository, up to date or not; VerificationError if one fails."""
    target = (STUDIES_DIR / study / PIPELINE_FILE if study else PIPELINE_FILE).as_posix()
    command = ["dvc", "repro", "--force", target]
    if settings:
        words = [word for value in settings for word in ("-S", value)]
        command = ["dvc", "exp", "run", "--force", *words, target]
    # The caller's DVC stage and MLflow store must not affect the clone.
    unwanted = ("DVC_", "MLFLOW_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    # Also where this was called by its path, with no environment activated.
    env["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), env.get("PATH", os.defpath)))
    if subprocess.run(command, cwd=repository, env=env, check=False).returncode:
        raise VerificationError(f"{' '.join(command)} failed in the clone; see above")


def read_hashes(lock: Path) -> dict[str, str]:
    """Return the hash of each output in a lock file of DVC; ConfigError if it cannot be read."""
    stages = read_yaml(lock)["stages"].values()
    return {str(out["path"]): str(out["md5"]) for stage in stages for out in stage.get("outs", [])}


def compare(committed: Mapping[str, str], now: Mapping[str, str]) -> list[Output]:
    """Return the outputs in either lock, sorted by path."""
    return [
        Output(path=path, committed=committed.get(path), now=now.get(path))
        for path in sorted(committed.keys() | now.keys())
    ]


@dataclass(frozen=True)
class ScoreComparison:
    """A score of a network, its mean over seeds now, and the interval of committed replicates."""

    name: str
    committed: Estimate
    now: float

    @property
    def is_inside(self) -> bool:
        """Whether the new mean lies in the committed interval; also True for equal constants."""
        return self.committed.low <= self.now <= self.committed.high


Scores = Mapping[str, Sequence[float]]
"""Of each network, split and kind of score, by name: one value per seed."""


def read_scores(repository: Path) -> Scores:
    """Return loss and accuracy of each network and split; nothing without results."""
    found: dict[str, Sequence[float]] = {}
    for path in sorted((repository / METRICS_DIR / "networks").glob("*/scores.csv")):
        for split, rows in read_table(path).groupby("split", sort=False):
            for kind in KINDS:
                found[f"{path.parent.name} {split} {kind}"] = rows[kind].tolist()
    return found


def compare_scores(committed: Scores, now: Scores) -> list[ScoreComparison]:
    """Compare the scores that both have, in the committed order."""
    return [
        ScoreComparison(name, estimate(values), estimate(now[name]).mean)
        for name, values in committed.items()
        if name in now
    ]


def _scores_as_table(comparisons: Sequence[ScoreComparison]) -> Table:
    table = _table("Means over seeds", "Score", "committed", "95% interval", "now", "")
    for found in comparisons:
        table.add_row(
            found.name,
            f"{found.committed.mean:.4f}",
            f"{found.committed.low:.4f} to {found.committed.high:.4f}",
            f"{found.now:.4f}",
            "inside" if found.is_inside else "OUTSIDE",
        )
    return table


def outputs_as_table(outputs: Sequence[Output], lock: Path, commit: str) -> Table:
    """Show for each output both hashes, abbreviated, and whether they are the same."""
    identical = sum(output.is_identical for output in outputs)
    title = f"{identical} of {len(outputs)} outputs of {commit} identical to {lock}"
    table = _table(title, "Output", "committed", "now", "")
    for output in outputs:
        table.add_row(
            output.path,
            (output.committed or "none")[:_SHOWN],
            (output.now or "none")[:_SHOWN],
            "same" if output.is_identical else "DIFFERS",
        )
    return table


def _table(title: str, name: str, *values: str) -> Table:
    """An empty table; where it is too wide, long names are folded and values stay whole."""
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column(name, overflow="fold")
    for heading in values:
        table.add_column(heading, no_wrap=True)
    return table


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise VerificationError(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()
