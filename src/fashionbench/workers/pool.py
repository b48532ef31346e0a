"""Open the workers of a stage: those of a Dask cluster if one is named, else processes here."""

from collections.abc import Iterator
from contextlib import contextmanager

from fashionbench.pipeline.machine import available_cores
from fashionbench.training.replicates import Workers
from fashionbench.workers.epochs import LocalWorkers
from fashionbench.workers.local import local_processes
from fashionbench.workers.scheduler import reach, scheduler_address


@contextmanager
def open_workers(replicates: int) -> Iterator[Workers]:
    """Open workers for that many replicates; they end with the block.

    They are those of a Dask cluster if DASK_SCHEDULER_ADDRESS names one, else processes here.
    Raises WorkerError if there is no scheduler, and one that names the task if a worker dies or has
    no memory left.
    """
    if address := scheduler_address():
        reach(address)
        from fashionbench.workers.cluster import cluster_workers

        with cluster_workers(address) as cluster:
            yield cluster
        return
    processes = min(replicates, available_cores())
    with local_processes(processes) as pool:
        yield LocalWorkers(pool, processes)
