"""How the cost of training grows: with seeds, epochs, images, width and cores."""

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

from timing import in_turns

from fashionbench.checkpoints import Checkpoints
from fashionbench.data import Split, load_split, save_split
from fashionbench.dependencies import Dependencies
from fashionbench.params import Params
from fashionbench.replicates import train_replicates
from fashionbench.results import split_file
from fashionbench.training import Replicate
from fashionbench.workers import available_cores, local_workers

ROUNDS = 3
NETWORK = "n2_mlp"
IMAGES = 6_000
EPOCHS = 2
FACTORS = (1, 2, 4, 8)


@dataclass(frozen=True)
class Point:
    """Seconds of training for one value of what grows; start-up is not in it."""

    grows: str
    value: int
    seconds: float


def measure_growth(params: Params) -> Iterator[Point]:
    """From a small base, one thing at a time eight times as large, and one core to all."""
    base = Replicate(
        network=params.network(NETWORK),
        how=replace(params.hyperparameters, num_epochs=EPOCHS),
        seed=0,
    )
    cores = available_cores()
    for factor in FACTORS:
        longer = replace(base, how=replace(base.how, num_epochs=EPOCHS * factor))
        sizes = tuple(size * factor for size in base.network.hidden_sizes)
        wider = replace(base, network=replace(base.network, hidden_sizes=sizes))
        yield Point("seeds", factor * cores, train(base, factor * cores, IMAGES, cores))
        yield Point("epochs", EPOCHS * factor, train(longer, cores, IMAGES, cores))
        yield Point("images", IMAGES * factor, train(base, cores, IMAGES * factor, cores))
        yield Point("width of the first layer", sizes[0], train(wider, cores, IMAGES, cores))
    for used in range(1, cores + 1):
        yield Point("cores", used, train(base, 2 * cores, IMAGES, used))


def train(replicate: Replicate, seeds: int, images: int, cores: int) -> float:
    """The median seconds in which ``cores`` workers train ``seeds`` replicates."""
    with tempfile.TemporaryDirectory() as folder, local_workers(cores) as workers:
        work = {"": training(workers, replicate, seeds, images, Path(folder))}
        return in_turns(work, ROUNDS)[""]


def throughput_of_two(params: Params, name: str, images: int) -> float:
    """How many times as much two replicates on two cores get done as one on one core."""
    how = replace(params.hyperparameters, num_epochs=EPOCHS)
    replicate = Replicate(network=params.network(name), how=how, seed=0)
    with (
        tempfile.TemporaryDirectory() as folder,
        local_workers(1) as one,
        local_workers(2) as two,
    ):
        work = {
            "one": training(one, replicate, 1, images, Path(folder)),
            "two": training(two, replicate, 2, images, Path(folder)),
        }
        times = in_turns(work, 2 * ROUNDS)
    return 2 * times["one"] / times["two"]


def training(
    workers: Executor, replicate: Replicate, seeds: int, images: int, folder: Path
) -> Callable[[], None]:
    """A function that trains ``seeds`` replicates on the first images of the training split."""
    everything = load_split(split_file("train"))
    train, val = (folder / f"{name}.safetensors" for name in ("train", "val"))
    for path, count in ((train, images), (val, replicate.how.batch_size)):
        save_split(Split(everything.images[:count], everything.labels[:count]), path)
    replicates = [replace(replicate, seed=seed) for seed in range(seeds)]

    unwatched = Dependencies(stage="growth", files={}, params={})
    checkpoints = Checkpoints(folder / "checkpoints", unwatched)

    def work() -> None:
        for _ in train_replicates(workers, replicates, train, val, checkpoints):
            pass
        checkpoints.remove(replicates)

    return work
