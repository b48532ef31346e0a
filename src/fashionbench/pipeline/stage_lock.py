"""Run a stage: once at a time, and on dependencies that stay as they are."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from filelock import Timeout

from fashionbench.errors import BusyError
from fashionbench.paths import SCRATCH_DIR, project_folder, study
from fashionbench.pipeline.dependencies import Dependencies
from fashionbench.pipeline.file_locks import has_no_locks, marker_of

_LOOKS = 20
_PAUSE_S = 0.05


@contextmanager
def stage_lock(stage: str, network: str | None = None) -> Iterator[Dependencies]:
    """Run a stage in this block. Raises BusyError before it, ChangedError after it."""
    dependencies = Dependencies.of(stage, network)
    with _only_one(dependencies.stage):
        yield dependencies
        dependencies.check_unchanged()


@contextmanager
def _only_one(stage: str) -> Iterator[None]:
    """Refuse to run a stage beside itself: after ``kill -9`` of dvc alone its stage goes on.

    The system releases the lock of a process that ends, however it ends. The file names its holder,
    so it is not left to filelock, some releases of which truncate the file before they lock it.
    """
    folder = project_folder() / SCRATCH_DIR / (study() or "")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stage}.lock"
    with path.open("a+", encoding="ascii") as file, ExitStack() as held:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(_describe(stage, _holder(file))) from error
        except OSError as error:
            if not has_no_locks(error):
                raise
            _mark(stage, path, held)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _mark(stage: str, path: Path, held: ExitStack) -> None:
    """Mark a stage as running until ``held`` is closed, where the file system has no locks."""
    marker = marker_of(path)
    try:
        held.enter_context(marker.acquire(timeout=0))
    except Timeout as error:
        raise BusyError(
            f"{_describe(stage, str(marker.pid or ''))}; or delete {marker.lock_file} if it ran on "
            "another machine and has ended"
        ) from error


def _holder(file: TextIO) -> str:
    """Return the process that a lock names; empty if its holder does not say so within a second.

    Between locking the file and writing into it a moment passes.
    """
    for _ in range(_LOOKS):
        file.seek(0)
        if holder := file.read():
            return holder
        time.sleep(_PAUSE_S)
    return ""


def _describe(stage: str, holder: str) -> str:
    who, remedy = (f"process {holder}", f" (kill {holder})") if holder else ("another process", "")
    return (
        f"{stage} is being run by {who} already; wait until that has ended, or end it{remedy}, and "
        "run dvc repro again"
    )
