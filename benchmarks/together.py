"""Trains replicates side by side, here and on a Dask cluster, and measures what that gains."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from time import sleep

from distributed import Client
from timing import Sizes, in_turns

from fashionbench.data.splits import Split, load_split, save_split
from fashionbench.params import Params
from fashionbench.paths import split_file
from fashionbench.pipeline.dependencies import Dependencies
from fashionbench.training.checkpoints import Checkpoints
from fashionbench.training.epoch import Replicate
from fashionbench.training.replicates import Workers, train_replicates
from fashionbench.workers.cluster import cluster_workers
from fashionbench.workers.local import open_workers

CORES = 2


class Training:
    """Trains networks, with the first of their seeds, on the first images of the training split."""

    def __init__(self, params: Params, images: int, epochs: int, folder: Path) -> None:
        self._params, self._folder = params, folder
        self._hyperparameters = replace(params.hyperparameters, num_epochs=epochs)
        everything = load_split(split_file("train"))
        self._train, self._val = (folder / f"{name}.safetensors" for name in ("train", "val"))
        for path, count in ((self._train, images), (self._val, params.batch_size)):
            save_split(Split(everything.images[:count], everything.labels[:count]), path)

    def on(self, workers: Workers, name: str, seeds: int) -> Callable[[], None]:
        """Return a function that has workers train a network with so many seeds."""
        replicates = [
            Replicate(
                network=self._params.network(name), hyperparameters=self._hyperparameters, seed=seed
            )
            for seed in range(seeds)
        ]
        folder = self._folder / "checkpoints"
        checkpoints = Checkpoints(folder, Dependencies(stage="benchmark", files={}, params={}))

        def work() -> None:
            for _ in train_replicates(workers, replicates, self._train, self._val, checkpoints):
                pass
            shutil.rmtree(folder)

        return work


def measure_workers(params: Params, sizes: Sizes) -> tuple[dict[str, float], dict[str, str]]:
    """Return how many times as much two cores get done as one, by network, and a cluster's costs.

    The latter are in words, by what was measured.
    """
    gains, costs = {}, {}
    names = [name for name in sizes.together if name in params.networks]
    with ExitStack() as stack:
        one, two = (stack.enter_context(open_workers(cores)) for cores in (1, CORES))

        def training(images: int, epochs: int) -> Training:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            return Training(params, images, epochs, Path(folder))

        for name in names:
            short = training(sizes.together[name], sizes.epochs)
            work = {"one": short.on(one, name, 1), "two": short.on(two, name, CORES)}
            times = in_turns(work, 2 * sizes.rounds)
            gains[name] = CORES * times["one"] / times["two"]
        cluster = stack.enter_context(started_cluster(CORES))
        for name in names:
            long = training(sizes.together[name], sizes.on_cluster[name])
            work = {"local": long.on(two, name, CORES), "cluster": long.on(cluster, name, CORES)}
            times = in_turns(work, sizes.rounds)
            what = f"{name}, {CORES} workers, more than local ones (wanted: at most 5%)"
            costs[what] = f"{times['cluster'] / times['local'] - 1:.1%}"
    return gains, costs


@contextmanager
def started_cluster(workers: int) -> Iterator[Workers]:
    """Start a scheduler and workers, as one would by hand; they end with the block."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:

        def start(*words: str) -> None:
            command = [sys.executable, "-m", *words, "--no-dashboard"]
            stack.callback(
                stack.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL)).terminate
            )

        file = Path(folder) / "scheduler.json"
        place = ("--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
        start("distributed.cli.dask_scheduler", *place)
        address = ""
        while not address:
            sleep(0.1)
            # There is no file yet, or Dask has not written all of it.
            with suppress(FileNotFoundError, json.JSONDecodeError):
                address = json.loads(file.read_text())["address"]
        for _ in range(workers):
            start("fashionbench", "worker", address, "--no-nanny")
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(workers)
        with cluster_workers(address) as cluster:
            yield cluster
