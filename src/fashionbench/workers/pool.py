"""The workers of a stage: an executor that can say where and with what it runs its tasks."""

from abc import abstractmethod
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager


class Workers(Executor):
    """Processes that run tasks: functions of one argument, whose ``str`` names it in errors."""

    @abstractmethod
    def describe(self) -> dict[str, str]:
        """Return facts about the workers for MLflow, such as versions and the processor."""


@contextmanager
def open_workers(tasks: int, module: str) -> Iterator[Workers]:
    """Open workers for that many tasks, whose functions are in ``module``; they end with the block.

    Raises WorkerError, which names the task, if a worker dies or has no memory left.
    """
    from fashionbench.workers.local import local_workers

    with local_workers(tasks, module) as workers:
        yield workers
