"""The command ``fashionbench receipts``: lists receipts of rebuilds, and refuses false ones.

A receipt that was edited, or moved to another commit, disagrees with what git has of its commit.
One that was forged with care does not: a signature shows who issued it, and training some of the
replicates again whether it is true.
"""

import hashlib
import os
import random
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fashionbench.analysis.result_files import LOCK_FILE
from fashionbench.commands.verify import clone, hashes_of, read_hashes, run_dvc
from fashionbench.errors import VerificationError
from fashionbench.messages import counted
from fashionbench.paths import MODELS_DIR, STUDIES_DIR, network_table, project_folder
from fashionbench.pipeline.rebuilds import (
    FOLDER,
    IDENTICAL,
    NOBODY,
    PACKAGES_LOCK,
    SHORT,
    Receipt,
    digest_of,
    read_receipt,
)
from fashionbench.terminal import open_console, print_table

_CLOCKS = timedelta(days=1)
"""By how much the clocks of two machines may differ."""
_STAGE = "train@"
"""Begins the name of a stage that trains the replicates of one network."""


def show(receipts: Sequence[Path] = (), check: bool = False, rerun: int = 0) -> None:
    """Print receipts, by default all in the repository; with ``check``, refuse false ones.

    ``rerun`` replicates of each, chosen at random, are trained again at its commit. Raises
    DataError for a file that is not a receipt, VerificationError for one that is false.
    """
    os.chdir(project_folder())
    console = open_console()
    found = {path: read_receipt(path) for path in receipts or sorted(FOLDER.glob("*.json"))}
    order = sorted(found.values(), key=lambda one: one.metadata.started_on)
    rows = [_row(receipt) for receipt in order]
    headings = ("Commit", "what", "processor", "outcome", "day", "seconds", "by")
    print_table(console, headings, rows, title=counted(len(rows), "rebuild"), justify="left")
    if check or rerun:
        for path, receipt in found.items():
            if mistake := next(mistakes(path, receipt), None):
                raise VerificationError(f"{path} is false: {mistake}")
        checked = counted(len(rows), "receipt")
        console.print(f"{checked}: none disagrees with the locks of its commit.")
    if rerun:
        for path, receipt in found.items():
            for replicate in remake(path, receipt, rerun):
                console.print(f"{path}: {replicate}: the same bits again")


def _row(receipt: Receipt) -> tuple[str, ...]:
    times, comparison, by = receipt.metadata, receipt.comparison, receipt.by
    differing = f" ({len(comparison.differences)} of {comparison.outputs})"
    return (
        receipt.commit[:SHORT],
        receipt.size,
        receipt.kind,
        comparison.outcome + differing * (comparison.outcome != IDENTICAL),
        f"{times.started_on:%Y-%m-%d}",
        f"{(times.finished_on - times.started_on).total_seconds():.0f}",
        "not named" if by == NOBODY else by,
    )


def mistakes(path: Path, receipt: Receipt) -> Iterator[str]:
    """Yield what in a receipt cannot be true, by the files of its commit in git."""
    if path.name != receipt.file.name:
        yield f"its contents are those of a file named {receipt.file.name}"
    lock, comparison, times = receipt.run.lock, receipt.comparison, receipt.metadata
    first, *files = receipt.predicate.build_definition.resolved_dependencies
    kinds = [[*source.digest] for source in (first, *files)]
    if first.name != "source" or kinds != [["gitCommit"], *([["sha256"]] * len(files))]:
        yield "it is not of one commit and of files with a sha256 each"
    made_on = _date_of(receipt.commit)
    for source in files:
        digest = hashlib.sha256(_committed(receipt, Path(source.name))).hexdigest()
        if source.digest != {"sha256": digest}:
            yield f"{source.name} of commit {receipt.commit[:SHORT]} has the sha256 {digest}"
    listed = _git("ls-tree", "--name-only", receipt.commit, lock, PACKAGES_LOCK.as_posix())
    for name in listed.decode().split():
        if name not in (source.name for source in files):
            yield f"it does not give the digest of {name}"
    folder, *below = Path(lock).parts
    if receipt.run.study != (below[0] if folder == STUDIES_DIR.name and below else None):
        yield f"{lock} is not a lock of study {receipt.run.study}"
    (subject,) = receipt.subject
    if subject.name != f"outputs of {lock}":
        yield f"its subject is named {subject.name}"
    try:
        hashes = hashes_of(_lock_of(receipt))
    except (YAMLError, LookupError, TypeError, ValueError, AttributeError):
        yield f"{lock} is not a lock of DVC"
        return
    for output in comparison.differences:
        if output.committed != hashes.get(output.path) or output.committed == output.now:
            yield f"{lock} has another hash of {output.path}"
    changes = {output.path: output.now for output in comparison.differences}
    if len(changes) != len(comparison.differences):
        yield "it lists an output twice"
    made = {name: found for name, found in (hashes | changes).items() if found is not None}
    if len(made) != comparison.outputs or subject.digest != {"sha256": digest_of(made)}:
        yield f"its digest is not that of the outputs in {lock} with the differences that it lists"
    if (comparison.outcome == IDENTICAL) == bool(changes):
        yield f"{comparison.outcome}, with {len(changes)} differences"
    if changes and (comparison.outcome == "different") != ("x86_64" in receipt.machine.system):
        yield f"{comparison.outcome}, on {receipt.machine.system}"
    if comparison.outcome == IDENTICAL and (name := _unlike(receipt)):
        yield f"with its settings {name} has another value than in {lock}"
    if times.finished_on < times.started_on:
        yield "it ended before it began"
    if times.started_on < made_on - _CLOCKS:
        yield f"it began before its commit was made, on {made_on:%Y-%m-%d}"
    if times.finished_on > max(datetime.now(UTC), _date_of("HEAD")) + _CLOCKS:
        yield "it ends in the future"


def _date_of(commit: str) -> datetime:
    """Return when a commit was made; VerificationError if git has no commit of this name."""
    found, _, date = _git("log", "-1", "--format=%H %cI", commit).decode().strip().partition(" ")
    if commit not in (found, "HEAD"):
        raise VerificationError(
            f"git has no commit {commit[:SHORT] or 'unnamed'}, of which there is a receipt; "
            "git fetch it if it is real"
        )
    return datetime.fromisoformat(date)


def _git(*arguments: str) -> bytes:
    """Return what git answers; nothing if it refuses."""
    return subprocess.run(["git", *arguments], capture_output=True, check=False).stdout


def _unlike(receipt: Receipt) -> str:
    """Return a parameter whose value in a lock is not that of its commit with the settings."""
    recorded: dict[str, object] = {
        name: value
        for stage in _lock_of(receipt)["stages"].values()
        for name, value in stage.get("params", {}).get("params.yaml", {}).items()
    }
    if receipt.run.study or not recorded:
        return ""
    read, name = YAML(typ="safe", pure=True).load, ""
    values = read(_committed(receipt, Path("params.yaml")).decode())
    try:
        for setting in receipt.run.settings:
            name, _, text = setting.partition("=")
            *above, last = name.split(".")
            reduce(getitem, above, values)[last] = read(text)
        for name, value in recorded.items():
            if reduce(getitem, name.split("."), values) != value:
                return name
    except (LookupError, TypeError, YAMLError):
        return name or "one"
    return ""


def remake(path: Path, receipt: Receipt, count: int) -> Iterator[str]:
    """Train replicates chosen at random again, in a clone of the commit; yield each that agrees.

    A replicate agrees if its weights have the committed hash or, where those of several seeds have
    one together, if its learning curve is the committed one. Raises VerificationError for others.
    """
    if receipt.run.study:
        raise VerificationError(
            f"{path} is of a study, whose networks train in one stage; remake it as a whole: "
            f"make verify STUDY={receipt.run.study}"
        )
    replicates = [
        (name.removeprefix(_STAGE), values, seeds, seed)
        for name, stage in _lock_of(receipt)["stages"].items()
        if name.startswith(_STAGE)
        for values, seeds in [_seeds_of(name, stage["params"]["params.yaml"])]
        for seed in seeds
    ]
    chosen = random.SystemRandom().sample(replicates, min(count, len(replicates)))
    with clone(receipt.commit) as (folder, _):
        for network, parameter, seeds, seed in chosen:
            run_dvc(folder, [*receipt.run.settings, f"{parameter}=[{seed}]"], _STAGE + network)
            if not _agrees(folder, receipt, network, None if len(seeds) == 1 else seed):
                raise VerificationError(
                    f"{path} is not true of this machine: {network} with seed {seed} has other "
                    f"bits at commit {receipt.commit[:SHORT]}; fashionbench doctor says whether "
                    "the machine is at fault"
                )
            yield f"{network}, seed {seed}"


def _agrees(folder: Path, receipt: Receipt, network: str, seed: int | None) -> bool:
    """Compare a network's weights, or with ``seed`` that part of its learning curves."""
    if seed is None:
        weights = (MODELS_DIR / network).as_posix()
        return read_hashes(folder / LOCK_FILE)[weights] == hashes_of(_lock_of(receipt))[weights]
    table = network_table(network, "curves")
    now, committed = (
        [line for line in text.decode().splitlines() if line.startswith(f"{seed},")]
        for text in ((folder / table).read_bytes(), _committed(receipt, table))
    )
    return now == committed


def _seeds_of(stage: str, values: Mapping[str, Any]) -> tuple[str, list[int]]:
    """Return the parameter that holds the seeds of a stage, and its value in a lock."""
    network = f"networks.{stage.removeprefix(_STAGE)}"
    own = values.get(network, {}).get("own") or {}
    if isinstance(own.get("seeds"), list):
        return f"{network}.own.seeds", own["seeds"]
    # A number means so many of the shared ones.
    return "seeds", values["seeds"][: own.get("seeds")]


def _lock_of(receipt: Receipt) -> Any:
    """Return the content of the lock that a receipt is about, as committed."""
    text = _committed(receipt, Path(receipt.run.lock)).decode()
    return YAML(typ="safe", pure=True).load(text)


def _committed(receipt: Receipt, file: Path) -> bytes:
    """Return a file as of the commit of a receipt; VerificationError if git has none."""
    command = ["git", "show", f"{receipt.commit}:{file.as_posix()}"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise VerificationError(
            f"git has no {file} of commit {receipt.commit[:SHORT] or 'unnamed'}, of which there is "
            "a receipt; git fetch it if it is real"
        )
    return done.stdout
