"""Locks on files, also where a file system offers none, and the lock of a stage.

A stage runs once at a time, and on dependencies that stay as they are.
"""

import errno
import logging
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path

from filelock import FileLock, SoftFileLock, Timeout

from fashionbench.errors import BusyError
from fashionbench.paths import SCRATCH_DIR, make_folder, project_folder, study
from fashionbench.pipeline.dependencies import Dependencies

MARKER = ".held"
"""Ends the name of a file that stands in for a lock."""
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
_PATIENCE_S = 60.0

_log = logging.getLogger(__name__)


@contextmanager
def exclusive(path: Path, patience: float | None = None) -> Iterator[None]:
    """Hold the lock of a file in this block. Raises OSError, and filelock's Timeout.

    It is waited for at most ``patience`` seconds. Where the file system has no locks (flock(2)),
    another file stands in, which a process that was killed leaves behind: the next one removes it
    if it ran on the same machine, and otherwise cannot know whether it still runs. So it is waited
    for during a minute only.
    """
    lock: FileLock | SoftFileLock = FileLock(path)
    try:
        lock.acquire(timeout=-1 if patience is None else patience)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        marker = path.with_name(f"{path.name}{MARKER}")
        _warn(marker)
        lock = SoftFileLock(marker)
        lock.acquire(timeout=_PATIENCE_S if patience is None else patience)
    try:
        yield
    finally:
        lock.release()


@cache
def _warn(marker: Path) -> None:
    _log.warning(
        f"the file system of {marker.parent} does not support locks, so {marker.name} stands in "
        "for one; if a machine crashes meanwhile, delete that file"
    )


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
