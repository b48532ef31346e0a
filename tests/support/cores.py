"""Cores: one for a process of pytest, and all of them for the tests that are about that."""

import os
import shutil
from collections.abc import Sequence

ALL_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def take_one(worker: str) -> None:
    """Keep the pytest-xdist worker of this name (``gw0``, ``gw1``, ...) to one core.

    What it starts inherits that, so a stage starts one process that computes instead of two, and
    tests on different cores do not wait for each other.
    """
    if ALL_CORES:
        os.sched_setaffinity(0, {ALL_CORES[int(worker.removeprefix("gw")) % len(ALL_CORES)]})


def take_all() -> None:
    """Let this process run on every core again."""
    if ALL_CORES:
        os.sched_setaffinity(0, ALL_CORES)


def on_all_cores(*command: str) -> tuple[str, ...]:
    """Return a command that runs on every core, where the system lets one choose."""
    return _on(ALL_CORES, command)


def on_other_cores(*command: str) -> tuple[str, ...]:
    """Return a command that runs on one core if this process has several, and else on all."""
    has_one = not ALL_CORES or len(os.sched_getaffinity(0)) == 1
    return _on(ALL_CORES if has_one else ALL_CORES[:1], command)


def _on(cores: Sequence[int], command: tuple[str, ...]) -> tuple[str, ...]:
    if not cores or not shutil.which("taskset"):
        return command
    return ("taskset", "-c", ",".join(map(str, cores)), *command)
