"""The workers of a stage: an executor that can say where and with what it runs its tasks."""

import os
from abc import abstractmethod
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

SCHEDULER_VARIABLE = "DASK_SCHEDULER_ADDRESS"
"""Dask's own variable for the address of its scheduler."""


class Workers(Executor):
    """Processes that run tasks: functions of one argument, whose ``str`` names it in errors."""

    @abstractmethod
    def describe(self) -> dict[str, str]:
        """Return facts about the workers for MLflow, such as versions and the processor."""


def scheduler_address() -> str:
    """Return the address of the Dask scheduler whose workers are to train; empty without one."""
    return os.environ.get(SCHEDULER_VARIABLE, "")


@contextmanager
def open_workers(tasks: int, module: str) -> Iterator[Workers]:
    """Open workers for that many tasks, whose functions are in ``module``; they end with the block.

    They are those of a Dask cluster if DASK_SCHEDULER_ADDRESS names one, else processes here.
    Raises WorkerError, which names the task, if a worker dies or has no memory left.
    """
    if address := scheduler_address():
        from fashionbench.workers.cluster import cluster_workers

        with cluster_workers(address) as cluster:
            yield cluster
        return
    from fashionbench.workers.local import local_workers

    with local_workers(tasks, module) as workers:
        yield workers
