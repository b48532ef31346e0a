"""Many replicates: on any executor, in any company, the same bits."""

from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import network
from safetensors.torch import load

from fashionbench.data import Split, save_split
from fashionbench.errors import TrainingError
from fashionbench.examples import load_examples
from fashionbench.params import Hyperparameters
from fashionbench.replicates import EpochResult, best_seed, curves, train_replicates
from fashionbench.sources import read_images, read_labels
from fashionbench.training import Epoch, Replicate, train_replicate, weights
from fashionbench.workers import local_workers


@pytest.fixture(scope="module")
def split(sample_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("split") / "train.safetensors"
    images = read_images(sample_folder / "train-images-idx3-ubyte")
    save_split(Split(images, read_labels(sample_folder / "train-labels-idx1-ubyte")), path)
    return path


@pytest.fixture
def replicates(how: Hyperparameters) -> list[Replicate]:
    declared = network(conv_filters=(2,), dropout_prob=0.5, batch_norm=True)
    short = replace(how, num_epochs=2)
    return [Replicate(network=declared, how=short, seed=seed) for seed in (0, 1, 2)]


def last_states(executor: Executor, replicates: list[Replicate], split: Path) -> dict[int, bytes]:
    results = train_replicates(executor, replicates, split, split)
    return {result.row.seed: result.state for result in results if result.is_last}


class Inline(Executor):
    """Runs each task at once in this process: the simplest thing that is an Executor."""

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        future: Future[EpochResult] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - an executor hands on whatever a task raises.
            future.set_exception(error)
        return future


def test_processes_threads_and_one_process_give_the_same_bits(
    replicates: list[Replicate], split: Path
) -> None:
    expected = last_states(Inline(), replicates, split)
    with local_workers(2) as workers:
        assert last_states(workers, replicates, split) == expected
    with ThreadPoolExecutor(1) as thread:
        assert last_states(thread, replicates, split) == expected


def test_a_replicate_does_not_depend_on_its_companions(
    replicates: list[Replicate], split: Path
) -> None:
    together = last_states(Inline(), replicates, split)
    alone = last_states(Inline(), replicates[1:2], split)
    assert alone == {1: together[1]}


def test_epoch_by_epoch_is_the_same_as_in_one_go(replicates: list[Replicate], split: Path) -> None:
    examples = load_examples(split, "cpu")
    rows, state = train_replicate(replicates[0], examples, examples)
    results = list(train_replicates(Inline(), replicates[:1], split, split))
    assert [result.row for result in results] == rows
    last = load(results[-1].state)
    assert last.keys() == weights(state).keys()
    assert all((last[name] == tensor).all() for name, tensor in weights(state).items())


def test_the_first_replicate_to_diverge_stops_the_others(
    replicates: list[Replicate], split: Path
) -> None:
    wild = replace(replicates[1], how=replace(replicates[1].how, learning_rate=float("inf")))
    with pytest.raises(TrainingError, match="seed 1: the loss of epoch 1"):
        list(train_replicates(Inline(), [replicates[0], wild], split, split))


def row(seed: int, epoch: int, val_accuracy: float) -> Epoch:
    return Epoch(
        seed=seed,
        epoch=epoch,
        train_objective=1.0,
        train_loss=1.0,
        train_accuracy=0.5,
        val_loss=1.0,
        val_accuracy=val_accuracy,
    )


def test_the_best_seed_is_that_with_the_best_last_epoch() -> None:
    rows = [row(0, 1, 0.9), row(0, 2, 0.5), row(1, 2, 0.7), row(2, 2, 0.7)]
    assert best_seed(rows) == 1


def test_curves_are_sorted_whatever_the_order_of_arrival() -> None:
    table = curves([row(1, 1, 0.1), row(0, 2, 0.2), row(0, 1, 0.3)])
    assert [(line["seed"], line["epoch"]) for line in table] == [(0, 1), (0, 2), (1, 1)]
    assert np.isclose(float(str(table[0]["val_accuracy"])), 0.3)
