"""Stops tasks that Dask has cancelled.

Dask takes a task that runs no further notice of, but lets it run on: a worker would train for
seconds on what nobody waits for, after Ctrl-C or ``kill -9`` of the stage. A thread can be made to
raise an exception at its next bytecode (CPython's ``PyThreadState_SetAsyncExc``), which in a
training comes within a step.
"""

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from distributed import Reschedule, WorkerPlugin

_threads: dict[str, int] = {}
"""The thread of each task that runs and may be interrupted."""
_lock = threading.Lock()


class Interrupts(WorkerPlugin):
    """Interrupts the tasks of a worker that are no longer wanted."""

    name = "fashionbench-interrupts"

    def transition(self, key: Any, start: str, finish: str, **_: object) -> None:
        """Interrupt a task that is released while it runs; called by the worker."""
        if start == "executing" and finish == "released":
            interrupt(str(key))


@contextmanager
def interruptible(key: str) -> Iterator[None]:
    """Run the task ``key`` in this block and thread; Reschedule is raised if it is interrupted.

    Should anybody want the task again in the meantime, Dask starts it anew for that exception.
    """
    with _lock:
        _threads[key] = threading.get_ident()
    try:
        yield
    finally:
        with _lock:
            _threads.pop(key, None)


def interrupt(key: str) -> None:
    """Interrupt a task; do nothing if it does not run."""
    with _lock:
        if thread := _threads.pop(key, None):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread), ctypes.py_object(Reschedule)
            )
