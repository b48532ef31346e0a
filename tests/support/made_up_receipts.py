"""Receipts of rebuilds that never were, in the repository of the current folder."""

import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fashionbench.commands.verify import compare, read_hashes
from fashionbench.pipeline.rebuilds import (
    Comparison,
    Machine,
    Metadata,
    Run,
    write_receipt,
)

FILES = ("dvc.lock", "requirements.txt")
MACHINE = Machine(
    processor="AMD EPYC-Milan",
    features=["avx2", "fma3"],
    emulator="",
    system="Linux x86_64 glibc 2.36",
    python="3.11.7",
    torch="2.14.1",
    mkl="2024.2",
    onednn="3.12.0",
)


def git(*arguments: str) -> str:
    """Return what git answers to somebody with a name."""
    identity = ("-c", "user.name=Test", "-c", "user.email=test@localhost")
    command = ["git", *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def write(made: Mapping[str, str] | None = None, minute: int = 0) -> Path:
    """Write the receipt of a rebuild in which the outputs ``made`` had other hashes."""
    committed = read_hashes(Path("dvc.lock"))
    hashes = committed | dict(made or {})
    outputs = compare(committed, hashes)
    committed_on = datetime.fromisoformat(git("log", "-1", "--format=%cI"))
    begun = committed_on.astimezone(UTC) + timedelta(minutes=minute)
    differing = [output for output in outputs if not output.is_identical]
    return write_receipt(
        git("rev-parse", "HEAD"),
        Run(lock="dvc.lock", study=None, settings=[]),
        {path.name: path.read_bytes() for path in map(Path, FILES) if path.exists()},
        hashes,
        Comparison(
            outcome="different" if differing else "identical",
            outputs=len(outputs),
            differences=differing,
        ),
        Metadata(started_on=begun, finished_on=begun + timedelta(hours=1)),
        "mailto:jane@example.org",
    )
