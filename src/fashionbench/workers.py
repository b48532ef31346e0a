"""The processes that compute: one thread each, as many as there are cores to use."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager

_MALLOC = (
    "glibc.malloc.hugetlb=1"
    ":glibc.malloc.mmap_threshold=33554432"  # Bytes; the most that glibc takes.
    ":glibc.malloc.trim_threshold=1073741824"
)
"""How glibc's malloc serves workers: it keeps freed memory for the next step, in huge pages where
the system has them. Without it n8_conv takes five percent longer."""


@contextmanager
def local_workers(tasks: int) -> Iterator[Executor]:
    """A pool of processes on this machine, no more of them than ``tasks``.

    They start at once, so that they import torch while the caller does something else.
    They end with the block; at once if it ends in an error, since a task that runs cannot be
    cancelled and nobody will want its result.
    """
    # glibc reads it when a process starts; other C libraries ignore it.
    os.environ.setdefault("GLIBC_TUNABLES", _MALLOC)
    processes = min(tasks, available_cores())
    pool = ProcessPoolExecutor(
        max_workers=processes,
        # A fork would inherit torch's threads in an unknown state.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
    )
    for _ in range(processes):
        pool.submit(_import_torch)
    try:
        yield pool
    except BaseException:
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    # Ctrl-C reaches every process of the terminal; the stage's own process decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _import_torch() -> None:
    import torch  # noqa: F401


def _end_with_parent() -> None:
    """A worker whose parent was killed would otherwise wait for ever for its next task."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def available_cores() -> int:
    """The cores that this process may run on, which a container or taskset can limit."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
