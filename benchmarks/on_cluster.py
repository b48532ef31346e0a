"""What a Dask cluster costs beside local workers, and how long a large one would take."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace
from math import ceil, log
from pathlib import Path
from time import sleep

from distributed import Client
from growth import Pools, seeds_of, training
from simulation import Chain, simulate
from sizes import Sizes
from steps import Measured
from timing import in_turns

from fashionbench.params import PARAMS_FILE, Network, Params, load_params
from fashionbench.paths import STUDIES_DIR
from fashionbench.training.costs import count_costs, count_parameters
from fashionbench.training.epoch import Replicate
from fashionbench.workers.chunks import CHUNK_S
from fashionbench.workers.cluster import cluster_workers

CORES = 2
_STATE_BYTES = 12
"""Of each parameter: its value and Adam's two moments."""


def measure_cluster(
    params: Params, sizes: Sizes, pools: Pools, measured: Mapping[str, Measured]
) -> Iterator[tuple[str, str]]:
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
    chains = list(_pipeline_and_studies(params, measured))
    for workers in sizes.simulated_workers:
        found = simulate(chains, workers, sizes.simulated_second)
        yield (
            f"pipeline and studies, {workers} simulated workers",
            (
                f"{found.makespan / 60:.1f} minutes; the floor is {found.floor / 60:.1f}; "
                f"scheduler busy {found.scheduler_load:.1%}, {found.tasks} tasks"
            ),
        )


@contextmanager
def started_cluster(workers: int) -> Iterator[Executor]:
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
            with cluster_workers(address) as executor:
                yield executor
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
    params: Params, name: str, epochs: int, sizes: Sizes, local: Executor, cluster: Executor
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
        return in_turns(work, sizes.growth_rounds)


def _prefill(params: Params, sizes: Sizes, workers: Executor) -> float:
    """Return the seconds in which workers train a replicate of each network, all at once."""
    hyperparameters = replace(params.hyperparameters, num_epochs=sizes.epochs)
    replicates = [
        Replicate(network=params.network(name), hyperparameters=hyperparameters, seed=0)
        for name in sizes.choose(params.networks)
    ]
    with tempfile.TemporaryDirectory() as folder:
        work = training(workers, replicates, sizes.images, Path(folder))
        return in_turns({"": work}, sizes.growth_rounds)[""]


def _pipeline_and_studies(params: Params, measured: Mapping[str, Measured]) -> Iterator[Chain]:
    """Yield what each replicate of the project and of its studies would be for a worker."""
    studies = [load_params(path) for path in sorted(STUDIES_DIR.glob(f"*/{PARAMS_FILE}"))]
    for pipeline in (params, *studies):
        for name in pipeline.networks:
            yield from _chains(pipeline.of(name), pipeline.network(name), params, measured)


def _chains(
    params: Params, network: Network, project: Params, measured: Mapping[str, Measured]
) -> list[Chain]:
    """Return a network's replicates, at the speed of the measured one that is most like it."""
    cost = _epoch_cost(network, params)
    like, found = min(
        measured.items(),
        key=lambda item: abs(log(cost / _epoch_cost(project.network(item[0]), params))),
    )
    own = cost / _epoch_cost(project.network(like), params)
    steps = ceil(params.train_size / params.batch_size)
    epoch = own * (steps * found.steps["fashionbench"] + found.evaluation)
    epochs_each = ceil(CHUNK_S / epoch)
    whole, rest = divmod(params.num_epochs, epochs_each)
    chunks = (*[epochs_each * epoch] * whole, *([rest * epoch] if rest else []))
    state = _STATE_BYTES * count_parameters(network)
    return [Chain(network.name, chunks, state)] * len(params.seeds)


def _epoch_cost(network: Network, params: Params) -> float:
    return count_costs(network, params.train_size, 1).train_teraflop
