"""Worker processes on this machine: one thread each, as many as there are cores to use.

Python forks them from a server of its own (multiprocessing's ``forkserver``), which imports torch
once for all of them while the stage imports what it needs itself.
"""

import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

from fashionbench.errors import WorkerError
from fashionbench.pipeline import environment
from fashionbench.pipeline.machine import available_cores
from fashionbench.workers.memory import MALLOC, describe_shortage, is_out_of_memory
from fashionbench.workers.pool import Workers

Task = TypeVar("Task")
Result = TypeVar("Result")

_REMEDY = "free memory or let fewer run at once (taskset -c 0 dvc repro), then run dvc repro again"

_open_pools = 0
"""Pools of this process that are open; they share its one fork server."""
_server_lock = threading.Lock()


@contextmanager
def local_workers(tasks: int, module: str = "torch") -> Iterator[Workers]:
    """Open a pool of processes on this machine, at most ``tasks`` of them.

    ``module`` holds the functions of tasks: importing it begins at once, in the fork server, and
    the first ``submit`` waits for its end. The processes end with the block; at once if it ends in
    an error, since a running task cannot be cancelled. Pools that are open at the same time share
    the fork server of the first one, and with it the environment and the module of that.

    Raises WorkerError, which names the task, if a process dies or has no memory left.
    """
    processes = min(tasks, available_cores())
    with tempfile.TemporaryDirectory(prefix="fashionbench-") as folder, _fork_server(module):
        pool = _Pool(processes, Path(folder))
        try:
            yield pool
        except BrokenProcessPool as error:
            workers = pool.workers()
            # Two threads must not ask for the same exit status: wait until the pool has read them.
            pool.shutdown()
            raise WorkerError(_describe_death(workers, Path(folder))) from error
        except BaseException:
            for worker in pool.workers():
                worker.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _fork_server(module: str) -> Iterator[None]:
    """Run the fork server of this process, with a module imported, until its last pool has closed.

    Python would keep it to the end of the process, with the environment of its start.
    """
    global _open_pools
    with _server_lock:
        if not _open_pools:
            _start_server(module)
        _open_pools += 1
    try:
        yield
    finally:
        with _server_lock:
            _open_pools -= 1
            if not _open_pools:
                _end_server()


def _start_server(module: str) -> None:
    # glibc reads it when a process starts; other C libraries ignore it.
    os.environ.setdefault("GLIBC_TUNABLES", MALLOC)
    multiprocessing.get_context("forkserver").set_forkserver_preload([module])
    resource_tracker.ensure_running()  # Its start would unblock the signal.
    # Ctrl-C reaches every process of the terminal, and the stage's own process decides what ends.
    # The server and its workers inherit the mask.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_server() -> None:
    # Python has no public way to end it. Killed, it ends at once also while it imports; it holds
    # nothing, and its workers have ended.
    server: Any = forkserver._forkserver
    if server._forkserver_pid is not None:
        os.kill(server._forkserver_pid, signal.SIGKILL)
        server._stop()


class _Pool(ProcessPoolExecutor, Workers):
    """A pool whose processes write the name of their current task into a file in ``folder``."""

    def __init__(self, processes: int, folder: Path) -> None:
        super().__init__(
            max_workers=processes,
            mp_context=multiprocessing.get_context("forkserver"),
            initializer=_start_worker,
        )
        self._folder = folder

    def submit(  # type: ignore[override]  # One argument, always.
        self, function: Callable[[Task], Result], task: Task, /
    ) -> Future[Result]:
        try:
            return super().submit(_run, self._folder, function, task)
        except (EOFError, ConnectionError) as error:
            raise WorkerError(
                f"{task}: the process that starts workers has ended; {_REMEDY}"
            ) from error

    def describe(self) -> dict[str, str]:
        return environment.describe()

    def workers(self) -> list[BaseProcess]:
        """Return the processes that have been started and not shut down."""
        return list((self._processes or {}).values())


def _run(folder: Path, function: Callable[[Task], Result], task: Task) -> Result:
    (folder / str(os.getpid())).write_text(str(task), encoding="utf-8")
    try:
        return function(task)
    except (MemoryError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise WorkerError(f"{task}: {describe_shortage(error)}; {_REMEDY}") from error
        raise


def _describe_death(workers: Sequence[BaseProcess], folder: Path) -> str:
    """Describe the worker that died first: its task, how it ended and the likely reason.

    The pool has ended the others by SIGTERM.
    """
    died = [worker for worker in workers if worker.exitcode not in (0, None, -signal.SIGTERM)]
    worker = (died or list(workers))[0]
    task_file = folder / str(worker.pid)
    task = task_file.read_text(encoding="utf-8") if task_file.exists() else "a worker's start"
    code = worker.exitcode or 0
    end = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
    reason = ", as the system does when memory runs out" if code == -signal.SIGKILL else ""
    return f"{task}: its process {end}{reason}; {_REMEDY}"


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Exit when the parent has been killed; a worker would wait for its next task for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
