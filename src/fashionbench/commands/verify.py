"""The command ``fashionbench verify``: reruns the pipeline in a clean clone, compares the results.

There are three outcomes. Identical: every output has the committed hash. Different: an x86-64
processor made other bits, which is an error. Not comparable: another processor did, where bits are
not promised; then the scores are compared. Each leaves a receipt, of
:mod:`fashionbench.pipeline.rebuilds`.
"""

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from fashionbench import paths
from fashionbench.analysis.result_files import KINDS, LOCK_FILE
from fashionbench.analysis.statistics import estimate
from fashionbench.errors import ConfigError, VerificationError
from fashionbench.files import read_yaml, replace_file
from fashionbench.paths import METRICS_DIR, OWN_NETWORKS_DIR, STUDIES_DIR
from fashionbench.pipeline.dependencies import PIPELINE_FILE
from fashionbench.pipeline.rebuilds import (
    FOLDER,
    IDENTICAL,
    NOBODY,
    PACKAGES_LOCK,
    SHORT,
    Comparison,
    Metadata,
    Outcome,
    Output,
    Run,
    is_uri,
    write_receipt,
)
from fashionbench.portable.processor import is_x86
from fashionbench.tables import read_table
from fashionbench.terminal import open_console, print_table

_SHOWN = 8
"""Digits of a hash in the table, enough to tell two apart."""


def verify(
    lock: Path = LOCK_FILE,
    settings: Sequence[str] = (),
    study: str | None = None,
    by: str = NOBODY,
    *,
    write: bool = False,
) -> None:
    """Run the pipeline of the current commit in a clone, and print a table of all outputs' hashes.

    ``settings`` are parameters to run it with, as for ``dvc exp run -S``; ``lock`` is the committed
    lock of such a run, which is replaced by what the clone makes if ``write`` is set. ``study``
    names a study to run instead, by default that of the current folder, with a lock of its own. The
    clone has no access to DVC's cache of this repository and is removed afterwards. The receipt
    names ``by``, a URI. Raises VerificationError if the pipeline fails, if an output differs on an
    x86-64 processor, or if a score on another one lies outside the interval of the committed
    replicates.
    """
    study = study or paths.study()
    os.chdir(paths.project_folder())
    console, place, started = open_console(), _folder_of(study), _now()
    if not is_uri(by):
        raise VerificationError(f"{by!r} is not a URI; name yourself by one: mailto:me@example.org")
    lock = place / lock
    with clone() as (folder, commit):
        if write:
            run_pipeline(folder, settings, study)
            replace_file(lock, (folder / place / LOCK_FILE).read_bytes())
            return
        if not (folder / lock).is_file():
            raise VerificationError(f"commit {commit[:SHORT]} has no {lock}; name a lock in git")
        committed = read_hashes(folder / lock)
        # Committed scores are of the parameters as committed.
        scores = {} if settings else read_scores(folder / place)
        files = {path.as_posix(): folder / path for path in (lock, PACKAGES_LOCK)}
        contents = {name: path.read_bytes() for name, path in files.items() if path.exists()}
        _remove_later_receipts(folder, commit, lock)
        run_pipeline(folder, settings, study)
        made = read_hashes(folder / place / LOCK_FILE)
        scores_now = read_scores(folder / place)
    outputs = compare(committed, made)
    differing = [output for output in outputs if not output.is_identical]
    print_outputs(console, outputs, lock, commit[:SHORT])
    outcome: Outcome = "different" if is_x86() else "not comparable"
    receipt = write_receipt(
        commit,
        Run(lock=lock.as_posix(), study=study, settings=list(settings)),
        contents,
        made,
        Comparison(
            outcome=outcome if differing else IDENTICAL, outputs=len(made), differences=differing
        ),
        Metadata(started_on=started, finished_on=_now()),
        by,
    )
    console.print(f"Receipt: {receipt}")
    if not differing:
        console.print("Identical.", style="bold")
    elif is_x86():
        raise VerificationError(_describe(differing, len(outputs), lock, commit[:SHORT]))
    else:
        here = f"{lock} was made on an x86-64 processor, and this is {platform.machine()}"
        console.print(f"Not comparable: {here}.", style="bold")
        compare_scores(console, scores, scores_now)


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


def _folder_of(study: str | None) -> Path:
    """Return the folder of a pipeline; VerificationError for a study that is not there."""
    if study is None:
        return Path()
    folder = STUDIES_DIR / study
    if not (folder / PIPELINE_FILE).is_file():
        known = ", ".join(path.parent.name for path in sorted(STUDIES_DIR.glob("*/dvc.yaml")))
        raise VerificationError(f"there is no study {study!r}; choose from: {known or 'none'}")
    return folder


@contextmanager
def clone(commit: str = "") -> Iterator[tuple[Path, str]]:
    """Yield a temporary clone of a commit, by default of the current one, and the commit's hash.

    Raises VerificationError if the current commit lacks changes of tracked files, or code that is
    not tracked.
    """
    if not commit:
        commit = _git("rev-parse", "HEAD")
        _refuse_changes(commit)
    with tempfile.TemporaryDirectory(prefix="fashionbench-verify-") as folder:
        subprocess.run(["git", "clone", "--quiet", "--no-checkout", ".", folder], check=True)
        subprocess.run(["git", "checkout", "--quiet", commit], cwd=folder, check=True)
        yield Path(folder), commit


def _refuse_changes(commit: str) -> None:
    if _git("status", "--porcelain", "--untracked-files=no"):
        raise VerificationError(
            f"there are changes that are not in commit {commit[:SHORT]}; commit or stash them first"
        )
    code = ("src", OWN_NETWORKS_DIR.as_posix())
    if unknown := _git("ls-files", "--others", "--exclude-standard", *code).splitlines():
        raise VerificationError(
            f"a clone would lack {unknown[0]}, which git does not know; git add and commit it, or "
            "move it away"
        )


def _remove_later_receipts(repository: Path, commit: str, lock: Path) -> None:
    """Remove the receipts that came after a lock: the page whose hash it has cannot name them."""
    made = _git("log", "-1", "--format=%H", commit, "--", lock.as_posix())
    then = _git("ls-tree", "-r", "--name-only", made, "--", FOLDER.as_posix()).splitlines()
    for path in (repository / FOLDER).glob("*.json"):
        if path.relative_to(repository).as_posix() not in then:
            path.unlink()


def run_pipeline(repository: Path, settings: Sequence[str] = (), study: str | None = None) -> None:
    """Run all stages in a repository, up to date or not; VerificationError if one fails."""
    target = (STUDIES_DIR / study / PIPELINE_FILE if study else PIPELINE_FILE).as_posix()
    if study:  # As make study does.
        (repository / STUDIES_DIR / ".dvcignore").write_text(f"!/{study}/{PIPELINE_FILE}\n")
    run_dvc(repository, settings, "--force", target)


def run_dvc(repository: Path, settings: Sequence[str], *arguments: str) -> None:
    """Have DVC run stages in a repository, with settings; VerificationError if it fails."""
    words = [word for value in settings for word in ("-S", value)]
    command = ["dvc", *(("exp", "run") if settings else ("repro",)), *words, *arguments]
    # The caller's DVC stage and MLflow store must not affect the clone.
    unwanted = ("DVC_", "MLFLOW_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    # Of this Python, also where it was called by its path, and where an emulator runs it.
    env["VIRTUAL_ENV"] = sys.prefix
    env["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), env.get("PATH", os.defpath)))
    if subprocess.run(command, cwd=repository, env=env, check=False).returncode:
        raise VerificationError(f"{' '.join(command)} failed in the clone; see above")


def read_hashes(lock: Path) -> dict[str, str]:
    """Return the hash of each output in a lock file of DVC; ConfigError if it is none."""
    content = read_yaml(lock)
    try:
        return hashes_of(content)
    except (LookupError, TypeError, AttributeError) as error:
        raise ConfigError(f"{lock.name} is not a lock of DVC; name one like dvc.lock") from error


def hashes_of(lock: Any) -> dict[str, str]:
    """Return the hash of each output in the content of a lock file."""
    stages = lock["stages"].values()
    return {str(out["path"]): str(out["md5"]) for stage in stages for out in stage.get("outs", [])}


def compare(committed: Mapping[str, str], now: Mapping[str, str]) -> list[Output]:
    """Return the outputs in either lock, sorted by path."""
    return [
        Output(path=path, committed=committed.get(path), now=now.get(path))
        for path in sorted(committed.keys() | now.keys())
    ]


Scores = Mapping[str, Sequence[float]]
"""Of each network, split and kind of score, by name: one value per seed."""


def read_scores(repository: Path) -> Scores:
    """Return loss and accuracy of each network and split; nothing without results."""
    paths = sorted((repository / METRICS_DIR / "networks").glob("*/scores.csv"))
    return {
        f"{path.parent.name} {split} {kind}": rows[kind].tolist()
        for path in paths
        if path.stat().st_size  # Else of a data set that the study could not get.
        for split, rows in read_table(path).groupby("split", sort=False)
        for kind in KINDS
    }


def compare_scores(console: Console, committed: Scores, now: Scores) -> None:
    """Print the scores that both have, in the committed order, with 95% intervals of replicates.

    Raises VerificationError if a mean lies outside the committed interval.
    """
    rows = []
    for name in (name for name in committed if name in now):
        found, mean = estimate(committed[name]), estimate(now[name]).mean
        # Also for constants, whose interval has no length.
        verdict = "inside" if found.low <= mean <= found.high else "OUTSIDE"
        interval = f"{found.low:.4f} to {found.high:.4f}"
        rows.append((name, f"{found.mean:.4f}", interval, f"{mean:.4f}", verdict))
    headings = ("Score", "committed", "95% interval", "now", "")
    print_table(console, headings, rows, title="Means over seeds", justify="left")
    if outside := [row[0] for row in rows if row[-1] == "OUTSIDE"]:
        raise VerificationError(
            f"{len(outside)} of {len(rows)} scores lie outside the 95% interval of the committed "
            f"replicates (first: {outside[0]}); one in twenty would by chance"
        )


def print_outputs(console: Console, outputs: Sequence[Output], lock: Path, commit: str) -> None:
    """Print for each output both hashes, abbreviated, and whether they are the same."""
    identical = sum(output.is_identical for output in outputs)
    title = f"{identical} of {len(outputs)} outputs of {commit} identical to {lock}"
    rows = [
        (
            output.path,
            (output.committed or "none")[:_SHOWN],
            (output.now or "none")[:_SHOWN],
            "same" if output.is_identical else "DIFFERS",
        )
        for output in outputs
    ]
    print_table(console, ("Output", "committed", "now", ""), rows, title=title, justify="left")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise VerificationError(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
