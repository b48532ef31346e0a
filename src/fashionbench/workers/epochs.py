"""Train replicates on an executor, such as this machine's processes, an epoch in each task."""

import heapq
import itertools
import threading
from concurrent.futures import Executor, Future
from functools import partial

from fashionbench.errors import DivergedError, WorkerError
from fashionbench.pipeline import environment
from fashionbench.training import replicates
from fashionbench.training.costs import forward_products
from fashionbench.training.epoch import Epoch
from fashionbench.training.replicates import EpochTask, Tell


class LocalWorkers:
    """Trains replicates on an executor, at most ``slots`` at a time; see ``replicates.Workers``.

    The next epoch is one of the replicate that has most left to train; among equals, of the one
    that has waited longest. So what ends last does not also begin last, and five replicates keep
    two cores busy to the end.
    """

    def __init__(self, executor: Executor, slots: int) -> None:
        self._executor = executor
        self._free = slots
        self._numbers = itertools.count()
        self._waiting: list[tuple[int, int, EpochTask, Tell]] = []
        self._lock = threading.Lock()
        self._failed = False

    def train(self, task: EpochTask, tell: Tell) -> None:
        """Train a replicate, as :class:`fashionbench.training.replicates.Workers` says."""
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
