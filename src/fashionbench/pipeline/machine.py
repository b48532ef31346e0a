"""The cores and the memory that this process may use, also within a container."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")


def available_cores() -> int:
    """Return how many cores this process may use: taskset and ``docker --cpus`` limit them."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min([cores, *(math.ceil(quota) for quota in _cpu_quotas())]))


def available_memory() -> int:
    """Return the bytes of memory of this machine, or of the container on it."""
    installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([installed, *_memory_limits()])


def _cpu_quotas() -> Iterator[float]:
    """Yield how many processors' time each group above this process may use, where it is limited.

    Control groups of version 2 hold "quota period" in one file, those of version 1 in two, both in
    microseconds (https://docs.kernel.org/admin-guide/cgroup-v2.html, /scheduler/sched-bwc.html).
    """
    for folder in _groups(""):
        quota, _, period = _read(folder / "cpu.max").partition(" ")
        if quota.isdecimal() and period.isdecimal():
            yield int(quota) / int(period)
    for folder in _groups("cpu"):
        quota, period = (_read(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
        if quota.isdecimal() and period.isdecimal():  # -1 without a limit.
            yield int(quota) / int(period)


def _memory_limits() -> Iterator[int]:
    """Yield the bytes that each group above this process may use, where they are limited."""
    for folder, name in (
        *((folder, "memory.max") for folder in _groups("")),
        *((folder, "memory.limit_in_bytes") for folder in _groups("memory")),
    ):
        limit = _read(folder / name)
        if limit.isdecimal():  # "max" without a limit.
            yield int(limit)


def _groups(controller: str) -> Iterator[Path]:
    """Yield the folders of the groups that this process is in, from its own to the root.

    ``controller`` is empty for version 2, which has one tree for all controllers.
    """
    top = _CGROUPS / controller
    for line in _read(_OWN_GROUPS).splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            own = top / path.lstrip("/")
            # In a container the path may be that of the host, of which only the root is seen.
            yield from (folder for folder in (own, *own.parents) if folder.is_relative_to(top))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:  # No control groups, or no such limit.
        return ""
