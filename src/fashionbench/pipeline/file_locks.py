"""Locks on files, also where a file system offers none, as some network disks do not."""

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from filelock import FileLock, SoftFileLock

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
