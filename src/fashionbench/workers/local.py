"""Workers on this machine: processes with one thread each, as many as there are cores to use.

They are forked from the process of the stage, once it has imported torch and before it does
anything else: none of them imports it again, and no thread is in the middle of something.
"""

import heapq
import itertools
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
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import ParamSpec, TypeVar

import torch  # noqa: F401 - for the workers.

from fashionbench.errors import DivergedError, WorkerError
from fashionbench.pipeline import environment
from fashionbench.pipeline.machine import available_cores
from fashionbench.training import replicates
from fashionbench.training.costs import forward_products
from fashionbench.training.epoch import Epoch
from fashionbench.training.replicates import EpochTask, Tell, Workers
from fashionbench.workers.scheduler import reach, scheduler_address, shortage_of

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

_REMEDY = "free memory or let fewer run at once (taskset -c 0 dvc repro), then run dvc repro again"


@contextmanager
def open_workers(number: int) -> Iterator[Workers]:
    """Open workers for that many replicates; they end with the block.

    They are those of a Dask cluster if DASK_SCHEDULER_ADDRESS names one, else processes here.
    Raises WorkerError if there is no scheduler, and one that names the task if a worker dies or has
    no memory left.
    """
    if address := scheduler_address():
        reach(address)
        # Imported here: without a cluster Dask need not be installed.
        from fashionbench.workers.cluster import cluster_workers

        with cluster_workers(address) as cluster:
            yield cluster
        return
    processes = min(number, available_cores())
    with local_processes(processes) as pool:
        yield LocalWorkers(pool, processes)


class LocalWorkers:
    """Trains replicates on an executor, an epoch in each task and at most ``slots`` at a time.

    See :class:`fashionbench.training.replicates.Workers`. The next epoch is one of the replicate
    that has most left to train; among equals, of the one that has waited longest. So what ends last
    does not also begin last, and five replicates keep two cores busy to the end.
    """

    def __init__(self, executor: Executor, slots: int) -> None:
        self._executor = executor
        self._free = slots
        self._numbers = itertools.count()
        self._waiting: list[tuple[int, int, EpochTask, Tell]] = []
        self._lock = threading.Lock()
        self._failed = False

    def train(self, task: EpochTask, tell: Tell) -> None:
        """Train a replicate from the epoch of a task to its last, and return at once."""
        cost = forward_products(task.replicate.network) * task.epochs_left
        with self._lock:
            heapq.heappush(self._waiting, (-cost, next(self._numbers), task, tell))
        self._begin()

    def describe(self) -> dict[str, str]:
        """Return facts about this machine."""
        return environment.describe()

    def _begin(self) -> None:
        """Hand on as many tasks as there are free slots, but none after a failure.

        The executor itself may have failed, and then must not be asked again from its own thread.
        """
        while True:
            with self._lock:
                if self._failed or not (self._free and self._waiting):
                    return
                *_, task, tell = heapq.heappop(self._waiting)
                self._free -= 1
            try:
                future = self._executor.submit(replicates.run_epoch, task)
            except Exception as error:  # noqa: BLE001 - whoever waits for the training is told.
                self._failed = True
                tell(error)
                return
            future.add_done_callback(partial(self._end, task, tell))

    def _end(self, task: EpochTask, tell: Tell, done: Future[Epoch]) -> None:
        error = WorkerError("the workers have ended") if done.cancelled() else done.exception()
        with self._lock:
            self._free += 1
            self._failed |= bool(error) and not isinstance(error, DivergedError)
        tell(error or done.result())
        if not (error or task.is_last):
            self.train(task.after(task.epoch), tell)
        else:
            self._begin()


@contextmanager
def local_processes(tasks: int) -> Iterator[Executor]:
    """Open a pool of processes on this machine, at most ``tasks`` of them.

    They end with the block; at once if it ends in an error, since a running task cannot be
    cancelled. Raises WorkerError if a process dies or has no memory left; it names the task by
    ``str`` of its first argument.
    """
    with tempfile.TemporaryDirectory(prefix="fashionbench-") as folder:
        pool = _Pool(min(tasks, available_cores()), Path(folder))
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


class _Pool(ProcessPoolExecutor):
    """A pool whose processes write the name of their current task into a file in ``folder``."""

    def __init__(self, processes: int, folder: Path) -> None:
        super().__init__(
            max_workers=processes,
            mp_context=multiprocessing.get_context("fork"),
            initializer=_start_worker,
        )
        self._folder = folder
        # Until a worker has its own way with them.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
        try:
            super().submit(os.getpid)  # The first task starts all processes.
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def submit(
        self,
        fn: Callable[_Arguments, _Result],
        /,
        *args: _Arguments.args,
        **kwargs: _Arguments.kwargs,
    ) -> Future[_Result]:
        """Run a function in a process."""
        return super().submit(_run, self._folder, str(args[0]), partial(fn, *args, **kwargs))

    def workers(self) -> list[BaseProcess]:
        """Return the processes that have been started and not shut down."""
        return list((self._processes or {}).values())


def _run(folder: Path, task: str, work: Callable[[], _Result]) -> _Result:
    (folder / str(os.getpid())).write_text(task, encoding="utf-8")
    try:
        return work()
    except (MemoryError, RuntimeError) as error:
        if shortage := shortage_of(error):
            raise WorkerError(f"{task}: {shortage}; {_REMEDY}") from error
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
    # Ctrl-C reaches every process of the terminal, and the stage's own process decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT, signal.SIGTERM])
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Exit when the parent has been killed; a worker would wait for its next task for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
