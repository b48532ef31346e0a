"""Run a stage: once at a time, and on dependencies that stay as they are."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import Timeout

from fashionbench.errors import BusyError
from fashionbench.paths import SCRATCH_DIR, make_folder, project_folder, study
from fashionbench.pipeline.dependencies import Dependencies
from fashionbench.pipeline.file_locks import MARKER, exclusive

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

    The system releases the lock of a process that ends, however it ends. Its holder is named in a
    file of its own, since some releases of filelock truncate a file before they lock it.
    """
    folder = project_folder() / SCRATCH_DIR / (study() or "")
    make_folder(folder)
    holder = folder / f"{stage}.pid"
    with ExitStack() as held:
        try:
            held.enter_context(exclusive(folder / f"{stage}.lock", patience=0))
        except Timeout as error:
            marker = error.lock_file if error.lock_file.endswith(MARKER) else ""
            raise BusyError(_describe(stage, _read(holder), marker)) from error
        holder.write_text(str(os.getpid()), encoding="ascii")
        held.callback(holder.unlink, missing_ok=True)
        yield


def _read(holder: Path) -> str:
    """Return the process that a file names; empty if its holder does not say so within a second.

    Between taking the lock and writing the file a moment passes.
    """
    for _ in range(_LOOKS):
        with suppress(FileNotFoundError):
            if found := holder.read_text(encoding="ascii"):
                return found
        time.sleep(_PAUSE_S)
    return ""


def _describe(stage: str, holder: str, marker: str) -> str:
    where, remedy = (f" (process {holder})", f" (kill {holder})") if holder else ("", "")
    stale = f"; or delete {marker} if it ran on another machine that has stopped" if marker else ""
    return (
        f"{stage} is already running{where}; wait for it to finish, or stop it{remedy} and run "
        f"dvc repro again{stale}"
    )
