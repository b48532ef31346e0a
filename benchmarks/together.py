"""Trains replicates side by side, and measures what that gains."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

from sizes import Sizes
from timing import in_turns

from fashionbench.data.splits import Split, load_split, save_split
from fashionbench.params import Params
from fashionbench.paths import split_file
from fashionbench.pipeline.dependencies import Dependencies
from fashionbench.training.checkpoints import Checkpoints
from fashionbench.training.epoch import Replicate
from fashionbench.training.replicates import Workers, train_replicates
from fashionbench.workers.pool import open_workers

Pools = Callable[[int], Workers]
"""Given a number of cores, the pool of as many processes."""


@contextmanager
def kept_pools() -> Iterator[Pools]:
    """Pools that start when they are first asked for and end with the block."""
    with ExitStack() as stack:
        yield cache(lambda cores: stack.enter_context(open_workers(cores)))


def throughput_of_two(params: Params, name: str, sizes: Sizes, pools: Pools) -> float:
    """How many times as much two replicates on two cores get done as one on one core."""
    hyperparameters = replace(params.hyperparameters, num_epochs=sizes.epochs)
    replicate = Replicate(network=params.network(name), hyperparameters=hyperparameters, seed=0)
    images = sizes.together[name]
    with tempfile.TemporaryDirectory() as folder:
        work = {
            "one": training(pools(1), seeds_of(replicate, 1), images, Path(folder)),
            "two": training(pools(2), seeds_of(replicate, 2), images, Path(folder)),
        }
        times = in_turns(work, 2 * sizes.rounds)
    return 2 * times["one"] / times["two"]


def seeds_of(replicate: Replicate, seeds: int) -> list[Replicate]:
    """A replicate with each of the first seeds."""
    return [replace(replicate, seed=seed) for seed in range(seeds)]


def training(
    workers: Workers, replicates: Sequence[Replicate], images: int, folder: Path
) -> Callable[[], None]:
    """A function that trains replicates on the first images of the training split."""
    everything = load_split(split_file("train"))
    train, val = (folder / f"{name}.safetensors" for name in ("train", "val"))
    for path, count in ((train, images), (val, replicates[0].hyperparameters.batch_size)):
        save_split(Split(everything.images[:count], everything.labels[:count]), path)
    unwatched = Dependencies(stage="benchmark", files={}, params={})
    checkpoints = Checkpoints(folder / "checkpoints", unwatched)

    def work() -> None:
        for _ in train_replicates(workers, replicates, train, val, checkpoints):
            pass
        shutil.rmtree(folder / "checkpoints")

    return work
