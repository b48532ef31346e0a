"""Lets the longest trainings begin first: what ends last should not also begin last."""

import heapq
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial

from fashionbench.training.epoch import Epoch
from fashionbench.training.replicates import EpochTask
from fashionbench.workers.costs import remaining_cost

_Function = Callable[[EpochTask], Epoch]


class LongestFirst(Executor):
    """Hands at most ``slots`` tasks at a time to an executor, which takes them in order.

    Of those that wait the next is the one whose replicate has most left to train; among equals,
    the one that has waited longest. At the end of the block those that wait are cancelled.
    """

    def __init__(self, executor: Executor, slots: int) -> None:
        self._executor = executor
        self._free = slots
        self._numbers = itertools.count()
        self._waiting: list[tuple[int, int, _Function, EpochTask, Future[Epoch]]] = []
        self._lock = threading.RLock()
        self._is_closed = False

    def submit(  # type: ignore[override]  # One argument, always.
        self, function: _Function, task: EpochTask, /
    ) -> Future[Epoch]:
        """Run a task when its turn comes. Raises RuntimeError after the end of the block."""
        future: Future[Epoch] = Future()
        with self._lock:
            if self._is_closed:
                raise RuntimeError("no task can begin after the end")
            entry = (-remaining_cost(task), next(self._numbers), function, task, future)
            heapq.heappush(self._waiting, entry)
        self._begin()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Cancel the tasks that wait."""
        with self._lock:
            self._is_closed = True
            waiting, self._waiting = self._waiting, []
        for *_, future in waiting:
            future.cancel()
            # concurrent.futures.wait, in another thread, does not wake before that.
            future.set_running_or_notify_cancel()

    def _begin(self) -> None:
        """Hand on as many tasks as there are free slots."""
        while True:
            with self._lock:
                if not (self._free and self._waiting):
                    return
                *_, function, task, future = heapq.heappop(self._waiting)
                self._free -= 1
            if not future.set_running_or_notify_cancel():
                self._release()
                continue
            try:
                inner = self._executor.submit(function, task)
            except Exception as error:  # noqa: BLE001 - raised where the result is waited for.
                future.set_exception(error)
                self._release()
                continue
            inner.add_done_callback(partial(self._end, future))

    def _release(self) -> None:
        with self._lock:
            self._free += 1

    def _end(self, future: Future[Epoch], done: Future[Epoch]) -> None:
        self._release()
        if done.cancelled():
            future.set_exception(RuntimeError("the workers have ended"))
        elif error := done.exception():
            future.set_exception(error)
        else:
            future.set_result(done.result())
        self._begin()
