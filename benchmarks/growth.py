"""How the cost of training grows: with seeds, epochs, images, width and cores."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

from sizes import Sizes
from timing import in_turns

from fashionbench.data.splits import Split, load_split, save_split
from fashionbench.params import Params
from fashionbench.paths import split_file
from fashionbench.pipeline.dependencies import Dependencies
from fashionbench.pipeline.machine import available_cores
from fashionbench.training.checkpoints import Checkpoints
from fashionbench.training.epoch import Replicate
from fashionbench.training.replicates import train_replicates
from fashionbench.workers.local import local_workers

NETWORK = "n2_mlp"

Pools = Callable[[int], Executor]
"""Given a number of cores, the pool of as many processes."""


@dataclass(frozen=True)
class Point:
    """Seconds of training for one value of what grows; start-up is not in it."""

    grows: str
    value: int
    seconds: float


@contextmanager
def kept_pools() -> Iterator[Pools]:
    """Pools that start when they are first asked for and end with the block."""
    with ExitStack() as stack:
        yield cache(lambda cores: stack.enter_context(local_workers(cores)))


def measure_growth(params: Params, sizes: Sizes, pools: Pools) -> Iterator[Point]:
    """From a small base, one thing at a time up to the largest factor, and one core to all."""
    base = Replicate(
        network=params.network(NETWORK),
        hyperparameters=replace(params.hyperparameters, num_epochs=sizes.epochs),
        seed=0,
    )
    cores = available_cores()
    on_all = partial(train, pools(cores), rounds=sizes.growth_rounds)
    for factor in sizes.factors:
        epochs, images = sizes.epochs * factor, sizes.images * factor
        longer = replace(base, hyperparameters=replace(base.hyperparameters, num_epochs=epochs))
        widths = tuple(width * factor for width in base.network.hidden_sizes)
        wider = replace(base, network=replace(base.network, hidden_sizes=widths))
        yield Point("seeds", factor * cores, on_all(base, factor * cores, sizes.images))
        yield Point("epochs", epochs, on_all(longer, cores, sizes.images))
        yield Point("images", images, on_all(base, cores, images))
        yield Point("width of the first layer", widths[0], on_all(wider, cores, sizes.images))
    for used in _doubled_up_to(cores):
        taken = train(pools(used), base, 2 * cores, sizes.images, rounds=sizes.growth_rounds)
        yield Point("cores", used, taken)


def _doubled_up_to(cores: int) -> list[int]:
    """1, 2, 4 and so on, and ``cores`` itself."""
    return sorted({cores, *(2**power for power in range(cores.bit_length()))})


def train(
    workers: Executor, replicate: Replicate, seeds: int, images: int, *, rounds: int
) -> float:
    """The median seconds in which ``workers`` train ``seeds`` replicates."""
    with tempfile.TemporaryDirectory() as folder:
        work = {"": training(workers, seeds_of(replicate, seeds), images, Path(folder))}
        return in_turns(work, rounds)[""]


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
        times = in_turns(work, 2 * sizes.growth_rounds)
    return 2 * times["one"] / times["two"]


def seeds_of(replicate: Replicate, seeds: int) -> list[Replicate]:
    """A replicate with each of the first seeds."""
    return [replace(replicate, seed=seed) for seed in range(seeds)]


def training(
    workers: Executor, replicates: Sequence[Replicate], images: int, folder: Path
) -> Callable[[], None]:
    """A function that trains replicates on the first images of the training split."""
    everything = load_split(split_file("train"))
    train, val = (folder / f"{name}.safetensors" for name in ("train", "val"))
    for path, count in ((train, images), (val, replicates[0].hyperparameters.batch_size)):
        save_split(Split(everything.images[:count], everything.labels[:count]), path)
    unwatched = Dependencies(stage="growth", files={}, params={})
    checkpoints = Checkpoints(folder / "checkpoints", unwatched)

    def work() -> None:
        for _ in train_replicates(workers, replicates, train, val, checkpoints):
            pass
        shutil.rmtree(folder / "checkpoints")

    return work
