"""Locks on files, also where a file system offers none, as some network disks do not."""

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from filelock import FileLock, SoftFileLock

_MARKER = ".held"
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
_PATIENCE_S = 60.0

_log = logging.getLogger(__name__)


def has_no_locks(error: OSError) -> bool:
    """Tell whether a lock was refused because the file system has none (flock(2), fcntl(2))."""
    return error.errno in _NO_LOCKS


def marker_of(path: Path) -> SoftFileLock:
    """Return what stands in for a lock on a file whose file system has none, and warn about it.

    It is another file, which a process that was killed leaves behind. The next process removes it
    if it ran on the same machine, and otherwise cannot know whether it still runs.
    """
    marker = path.with_name(f"{path.name}{_MARKER}")
    _warn(marker)
    return SoftFileLock(marker)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock of a file in this block, and wait for it before. Raises OSError.

    A marker that stands in for it is waited for during a minute only: its holder may be gone.
    """
    lock: FileLock | SoftFileLock = FileLock(path)
    try:
        lock.acquire()
    except OSError as error:
        if not has_no_locks(error):
            raise
        lock = marker_of(path)
        lock.acquire(timeout=_PATIENCE_S)
    try:
        yield
    finally:
        lock.release()


@cache
def _warn(marker: Path) -> None:
    _log.warning(
        f"the file system of {marker.parent} has no locks, so that {marker.name} stands in for "
        "one; should a machine fail meanwhile, delete that file"
    )
