"""The processes that compute: one thread each, as many as there are cores to use."""

import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic, sleep
from typing import TypeVar

from fashionbench.errors import WorkerError
from fashionbench.pipeline.environment import available_cores

Task = TypeVar("Task")
Result = TypeVar("Result")

_MALLOC = (
    "glibc.malloc.hugetlb=1"
    ":glibc.malloc.mmap_threshold=33554432"  # Bytes; the most that glibc takes.
    ":glibc.malloc.trim_threshold=1073741824"
)
"""How glibc's malloc serves workers: it keeps freed memory for the next step, in huge pages where
the system has them. Without it n8_conv takes five percent longer."""

_WHAT_TO_DO = (
    "free memory or let fewer run at once (taskset -c 0 dvc repro), then run dvc repro again"
)


@contextmanager
def local_workers(tasks: int) -> Iterator[Executor]:
    """A pool of processes on this machine, no more of them than ``tasks``.

    A task is one argument for a function, and its ``str`` says what it is to a person. The
    processes start at once, so that they import torch while the caller does something else. They
    end with the block; at once if it ends in an error, since a task that runs cannot be cancelled
    and nobody will want its result. Raises WorkerError, which names the task, if a process dies or
    has no memory left.
    """
    # glibc reads it when a process starts; other C libraries ignore it.
    os.environ.setdefault("GLIBC_TUNABLES", _MALLOC)
    processes = min(tasks, available_cores())
    with tempfile.TemporaryDirectory(prefix="fashionbench-") as notes:
        pool = _Pool(processes, Path(notes))
        others = multiprocessing.active_children()
        for number in range(1, processes + 1):
            pool.submit(_import_torch, f"the start of worker {number}")
        workers = [child for child in multiprocessing.active_children() if child not in others]
        try:
            yield pool
        except BrokenProcessPool as error:
            raise WorkerError(_describe_death(workers, Path(notes))) from error
        except BaseException:
            for worker in workers:
                worker.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


class _Pool(ProcessPoolExecutor):
    """A pool whose processes note down what they are at, for the case that they die of it."""

    def __init__(self, processes: int, notes: Path) -> None:
        super().__init__(
            max_workers=processes,
            # A fork would inherit torch's threads in an unknown state.
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start_worker,
        )
        self._notes = notes

    def submit(  # type: ignore[override]  # One argument, always.
        self, function: Callable[[Task], Result], task: Task, /
    ) -> Future[Result]:
        return super().submit(_run, self._notes, function, task)


def _run(notes: Path, function: Callable[[Task], Result], task: Task) -> Result:
    (notes / str(os.getpid())).write_text(str(task), encoding="utf-8")
    try:
        return function(task)
    except (MemoryError, RuntimeError) as error:
        # torch's own errors are RuntimeErrors, of a processor as of a GPU.
        if isinstance(error, MemoryError) or "memory" in str(error):
            asked = " ".join(str(error).split())[:120]
            raise WorkerError(f"{task}: no memory is left ({asked}); {_WHAT_TO_DO}") from error
        raise


def _describe_death(workers: Sequence[BaseProcess], notes: Path) -> str:
    """What is known of the worker that died first; the pool itself then ends the others."""
    # The pool waits for them too, in a thread of its own; whoever comes second must ask again.
    end = monotonic() + 5
    while any(worker.exitcode is None for worker in workers) and monotonic() < end:
        sleep(0.01)
    died = [worker for worker in workers if worker.exitcode not in (0, None, -signal.SIGTERM)]
    worker = (died or list(workers))[0]
    note = notes / str(worker.pid)
    task = note.read_text(encoding="utf-8") if note.exists() else "a worker's start"
    code = worker.exitcode or 0
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
    reason = ", as the system does when memory runs out" if code == -signal.SIGKILL else ""
    return f"{task}: its process {how}{reason}; {_WHAT_TO_DO}"


def _start_worker() -> None:
    # Ctrl-C reaches every process of the terminal; the stage's own process decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _import_torch(_: str) -> None:
    import torch  # noqa: F401


def _end_with_parent() -> None:
    """A worker whose parent was killed would otherwise wait for ever for its next task."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
