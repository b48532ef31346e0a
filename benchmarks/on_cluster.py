"""What a Dask cluster costs beside local workers."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import sleep

from distributed import Client
from sizes import Sizes
from timing import in_turns
from together import Pools, seeds_of, training

from fashionbench.params import Params
from fashionbench.training.epoch import Replicate
from fashionbench.training.replicates import Workers
from fashionbench.workers.cluster import cluster_workers

CORES = 2


def measure_cluster(params: Params, sizes: Sizes, pools: Pools) -> Iterator[tuple[str, str]]:
    """Yield rows of text: what was measured, and what was found."""
    with started_cluster(CORES) as cluster:
        for name, epochs in sizes.on_cluster.items():
            if name in params.networks:
                times = _beside_local(params, name, epochs, sizes, pools(CORES), cluster)
                overhead = times["cluster"] / times["local"] - 1
                yield (
                    f"{name}, {CORES} workers, more than local ones (wanted: at most 5%)",
                    (f"{overhead:.1%}"),
                )
        yield f"all networks at once, {CORES} workers", f"{_prefill(params, sizes, cluster):.1f} s"
    with started_cluster(1) as alone:
        yield "all networks at once, 1 worker", f"{_prefill(params, sizes, alone):.1f} s"


@contextmanager
def started_cluster(workers: int) -> Iterator[Workers]:
    """Start a scheduler and workers, as one would by hand; they end with the block."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scheduler.json"
        options = ("--no-dashboard", "--host", "127.0.0.1", "--port", "0")
        processes = [
            _start("distributed.cli.dask_scheduler", *options, "--scheduler-file", str(file))
        ]
        try:
            address = _address_in(file)
            for _ in range(workers):
                command = ("fashionbench", "worker", address, "--no-nanny", "--no-dashboard")
                processes.append(_start(*command))
            with Client(address, set_as_default=False) as client:
                client.wait_for_workers(workers)
            with cluster_workers(address) as cluster:
                yield cluster
        finally:
            for process in processes:
                process.terminate()
                process.wait()


def _start(*command: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", *command], stderr=subprocess.DEVNULL)


def _address_in(file: Path) -> str:
    while not file.exists():
        sleep(0.1)
    return str(json.loads(file.read_text())["address"])


def _beside_local(
    params: Params, name: str, epochs: int, sizes: Sizes, local: Workers, cluster: Workers
) -> dict[str, float]:
    """Return the median seconds in which either trains one replicate per core."""
    hyperparameters = replace(params.hyperparameters, num_epochs=epochs)
    replicate = Replicate(network=params.network(name), hyperparameters=hyperparameters, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        work = {
            kind: training(
                workers, seeds_of(replicate, CORES), sizes.together[name], Path(folder) / kind
            )
            for kind, workers in (("local", local), ("cluster", cluster))
        }
        return in_turns(work, sizes.rounds)


def _prefill(params: Params, sizes: Sizes, workers: Workers) -> float:
    """Return the seconds in which workers train a replicate of each network, all at once."""
    hyperparameters = replace(params.hyperparameters, num_epochs=sizes.epochs)
    replicates = [
        Replicate(network=params.network(name), hyperparameters=hyperparameters, seed=0)
        for name in sizes.choose(params.networks)
    ]
    with tempfile.TemporaryDirectory() as folder:
        work = training(workers, replicates, sizes.images, Path(folder))
        return in_turns({"": work}, sizes.rounds)[""]
