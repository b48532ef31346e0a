"""Worker processes on this machine: one thread each, as many as there are cores to use.

Python forks them from a server of its own (multiprocessing's ``forkserver``), which imports torch
once for all of them while the stage imports what it needs itself.
"""

import atexit
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import forkserver, resource_tracker, util
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from fashionbench.errors import WorkerError
from fashionbench.pipeline.machine import available_cores
from fashionbench.workers.memory import MALLOC, describe_shortage, is_out_of_memory

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

_LONGEST = 70
"""Bytes of a folder in which multiprocessing's sockets, whose names take 32, have valid paths.

A path has at most 103 bytes on macOS and 107 on Linux (unix(7)).
"""

_REMEDY = "free memory or let fewer run at once (taskset -c 0 dvc repro), then run dvc repro again"


@contextmanager
def local_processes(tasks: int, module: str = "torch") -> Iterator[Executor]:
    """Open a pool of processes on this machine, at most ``tasks`` of them.

    ``module`` holds the functions of tasks: importing it begins at once, in the fork server, and
    the first ``submit`` waits for its end. The processes end with the block; at once if it ends in
    an error, since a running task cannot be cancelled. The fork server stays for later pools, with
    the environment and the module of the first.

    Raises WorkerError if a process dies or has no memory left; it names the task by ``str`` of its
    first argument.
    """
    processes = min(tasks, available_cores())
    _start_server(module)
    with tempfile.TemporaryDirectory(prefix="fashionbench-") as folder:
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


def _start_server(module: str) -> None:
    """Start the fork server of this process, with a module imported, unless it runs."""
    # glibc reads it when a process starts; other C libraries ignore it.
    os.environ.setdefault("GLIBC_TUNABLES", MALLOC)
    multiprocessing.get_context("forkserver").set_forkserver_preload([module])
    _shorten_sockets()
    resource_tracker.ensure_running()  # Its start would unblock the signal.
    # Ctrl-C reaches every process of the terminal, and the stage's own process decides what ends.
    # The server and its workers inherit the mask.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _shorten_sockets() -> None:
    """Let multiprocessing keep its sockets in /tmp if TMPDIR is too long. Raises OSError."""
    folder = tempfile.gettempdir()
    if len(os.fsencode(folder)) > _LONGEST:
        tempfile.tempdir = "/tmp"
        try:
            util.get_temp_dir()  # It stays with its first answer.
        finally:
            tempfile.tempdir = folder


@atexit.register
def _end_server() -> None:
    # It holds nothing, and its workers have ended. By itself it would not end while it imports.
    server: Any = forkserver._forkserver
    if server._forkserver_pid is not None:
        os.kill(server._forkserver_pid, signal.SIGKILL)
        server._stop()


class _Pool(ProcessPoolExecutor):
    """A pool whose processes write the name of their current task into a file in ``folder``."""

    def __init__(self, processes: int, folder: Path) -> None:
        super().__init__(
            max_workers=processes,
            mp_context=multiprocessing.get_context("forkserver"),
            initializer=_start_worker,
            initargs=(sorted(_affinity()),),
        )
        self._folder = folder

    def submit(
        self,
        fn: Callable[_Arguments, _Result],
        /,
        *args: _Arguments.args,
        **kwargs: _Arguments.kwargs,
    ) -> Future[_Result]:
        """Run a function in a process. Raises WorkerError if none can be started."""
        task = str(args[0])
        try:
            return super().submit(_run, self._folder, task, partial(fn, *args, **kwargs))
        except (EOFError, ConnectionError) as error:
            raise WorkerError(
                f"{task}: the process that starts workers has ended; {_REMEDY}"
            ) from error

    def workers(self) -> list[BaseProcess]:
        """Return the processes that have been started and not shut down."""
        return list((self._processes or {}).values())


def _run(folder: Path, task: str, work: Callable[[], _Result]) -> _Result:
    (folder / str(os.getpid())).write_text(task, encoding="utf-8")
    try:
        return work()
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


def _affinity() -> set[int]:
    """Return the cores that this process may use, where the system says."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def _start_worker(cores: Sequence[int]) -> None:
    if cores:  # Which may have changed since the server started.
        os.sched_setaffinity(0, cores)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Exit when the parent has been killed; a worker would wait for its next task for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
