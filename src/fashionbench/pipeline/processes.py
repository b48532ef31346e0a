"""Processes of this machine."""

import os
from pathlib import Path


def is_alive(process: int) -> bool:
    """Return whether a process with that id runs; a zombie, which has ended, does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # Another user's.
        pass
    return not _is_zombie(process)


def _is_zombie(process: int) -> bool:
    """Return whether Linux names a process as a zombie; False on other systems."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    # The state follows the name, which is in parentheses and may hold any character (man 5 proc).
    return status.rpartition(")")[2].split()[:1] == ["Z"]
