"""The command ``fashionbench receipts``: lists receipts of rebuilds, and refuses false ones.

A receipt that was edited, or moved to another commit, disagrees with what git has of its commit.
One that was made up with care does not: a signature says whose word it is, and training some of the
replicates again whether it is true.
"""

import hashlib
import os
import random
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from fashionbench.analysis.result_files import LOCK_FILE
from fashionbench.commands.verify import clone, hashes_of, read_hashes, run_dvc
from fashionbench.errors import VerificationError
from fashionbench.messages import counted
from fashionbench.paths import MODELS_DIR, network_table, project_folder
from fashionbench.pipeline.rebuilds import (
    FOLDER,
    IDENTICAL,
    NOBODY,
    SHORT,
    Receipt,
    digest_of,
    read_receipt,
)
from fashionbench.terminal import open_console, print_table

_STAGE = "train@"
"""Begins the name of a stage that trains the replicates of one network."""


def show(receipts: Sequence[Path] = (), check: bool = False, rerun: int = 0) -> None:
    """Print receipts, by default all in the repository; with ``check``, refuse false ones.

    ``rerun`` replicates of each, chosen at random, are trained again at its commit. Raises
    DataError for a file that is no receipt, VerificationError for one that is false.
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
    sources = receipt.predicate.build_definition.resolved_dependencies
    for source in sources:
        if "gitCommit" not in source.digest:
            digest = hashlib.sha256(_committed(receipt, Path(source.name))).hexdigest()
            if source.digest != {"sha256": digest}:
                yield f"{source.name} of commit {receipt.commit[:SHORT]} has the sha256 {digest}"
    lock, comparison = receipt.run.lock, receipt.comparison
    if lock not in (source.name for source in sources):
        yield f"it does not give the digest of {lock}"
    hashes = hashes_of(_lock_of(receipt))
    for output in comparison.differences:
        if output.committed != hashes.get(output.path) or output.is_identical:
            yield f"{lock} has another hash of {output.path}"
    changes = {output.path: output.now for output in comparison.differences}
    made = {name: found for name, found in (hashes | changes).items() if found is not None}
    (subject,) = receipt.subject
    if len(made) != comparison.outputs or subject.digest != {"sha256": digest_of(made)}:
        yield f"its digest is not that of the outputs in {lock} with the differences that it lists"
    if (comparison.outcome == IDENTICAL) == bool(changes):
        yield f"{comparison.outcome}, with {len(changes)} differences"
    if receipt.metadata.finished_on < receipt.metadata.started_on:
        yield "it ended before it began"


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
