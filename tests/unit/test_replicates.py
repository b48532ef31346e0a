"""Many replicates: on any executor, in any company, the same bits."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
from safetensors.torch import load
from trainings import made_up_epoch, network, nothing_watched, train_replicate

from fashionbench import paths
from fashionbench.data.examples import load_examples
from fashionbench.errors import TrainingError, WorkerError
from fashionbench.params import Hyperparameters
from fashionbench.stages.training import train_at_once
from fashionbench.training.checkpoints import Checkpoints
from fashionbench.training.epoch import Epoch, Replicate, weights
from fashionbench.training.replicates import (
    Divergence,
    EpochTask,
    FinishedEpoch,
    Tell,
    Workers,
    curves,
    train_replicates,
)
from fashionbench.workers.local import LocalWorkers, open_workers


@pytest.fixture
def replicates(hyperparameters: Hyperparameters) -> list[Replicate]:
    declared = network(conv_filters=(2,), dropout_prob=0.5, batch_norm=True)
    short = replace(hyperparameters, num_epochs=2)
    return [Replicate(network=declared, hyperparameters=short, seed=seed) for seed in (0, 1, 2)]


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints", nothing_watched())


def diverging(replicate: Replicate, name: str) -> Replicate:
    wild = replace(replicate.hyperparameters, learning_rate=1e30)
    return replace(replicate, network=replace(replicate.network, name=name), hyperparameters=wild)


class Inline(Executor):
    """Runs each task at once in this process: the simplest thing that is an Executor."""

    def __init__(self, most: float = float("inf")) -> None:
        self.submitted = 0
        self.most = most

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        if self.submitted == self.most:
            raise KeyboardInterrupt
        self.submitted += 1
        future: Future[Epoch] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - an executor hands on whatever a task raises.
            future.set_exception(error)
        return future


def on(executor: Executor) -> LocalWorkers:
    return LocalWorkers(executor, 1)


Train = Callable[..., Iterator[FinishedEpoch | Divergence]]


@pytest.fixture
def train(split: Path, tmp_path: Path) -> Train:
    """Return what trains replicates: by default in this process, and from the first epoch on."""

    def train(
        replicates: list[Replicate],
        workers: Workers | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> Iterator[FinishedEpoch | Divergence]:
        kept = checkpoints or Checkpoints(Path(mkdtemp(dir=tmp_path)), nothing_watched())
        return train_replicates(workers or on(Inline()), replicates, split, split, kept)

    return train


@pytest.mark.usefixtures("all_cores")
def test_processes_threads_and_one_process_give_the_same_bits(
    replicates: list[Replicate], train: Train
) -> None:
    expected = results(train(replicates))
    with open_workers(2) as workers:
        assert results(train(replicates, workers)) == expected
    with ThreadPoolExecutor(1) as thread:
        assert results(train(replicates, on(thread))) == expected


def test_a_replicate_does_not_depend_on_its_companions(
    replicates: list[Replicate], train: Train
) -> None:
    together, alone = results(train(replicates)), results(train(replicates[1:2]))
    assert len(alone) == 2
    assert alone < together


def test_epoch_by_epoch_is_the_same_as_in_one_go(
    replicates: list[Replicate], train: Train, split: Path
) -> None:
    examples = load_examples(split, "cpu")
    rows, state = train_replicate(replicates[0], examples, examples)
    events = finished(train(replicates[:1]))
    assert [event.row for event in events] == rows
    last = load(events[-1].weights or b"")
    assert last.keys() == weights(state).keys()
    assert all((last[name] == tensor).all() for name, tensor in weights(state).items())


def test_a_replicate_that_diverges_ends_and_the_others_go_on(
    replicates: list[Replicate], train: Train
) -> None:
    events = train([replicates[0], diverging(replicates[1], "tiny")])
    seen = list(islice(events, 3))
    with pytest.raises(TrainingError, match=r"diverged with seed 1 \(.*\); try a learning_rate"):
        next(events)
    (divergence,) = [event for event in seen if isinstance(event, Divergence)]
    assert divergence.replicate.seed == 1
    assert "is not a finite number" in divergence.reason
    assert [event.row.epoch for event in finished(seen) if event.weights] == [2]


def test_networks_that_diverge_are_all_named_at_the_end(
    replicates: list[Replicate], train: Train
) -> None:
    first, second, good = replicates
    named = r"^a diverged with seed 1 \(.*\); try .*; b diverged with seed 0 \(.*\); try a"
    with pytest.raises(TrainingError, match=named):
        list(train([diverging(first, "b"), diverging(second, "a"), good]))


def test_trained_at_once_what_is_finished_is_kept_though_others_diverge(
    replicates: list[Replicate],
    split: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("train", "val"):
        paths.split_file(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(split, paths.split_file(name))
    networks = {"tiny": replicates, "wild": [diverging(replicates[0], "wild")]}
    with pytest.raises(TrainingError, match="wild diverged with seed 0 "):
        train_at_once(on(Inline()), networks, lambda _: nothing_watched())
    assert len(list(tmp_path.glob("checkpoints/*.finished"))) == len(replicates)


class Failing:
    """Workers of which one dies while the others go on without an end."""

    def train(self, task: EpochTask, tell: Tell) -> None:
        if task.replicate.seed == 1:
            tell(WorkerError("died"))

    def describe(self) -> dict[str, str]:
        return {}


def test_any_other_error_is_raised_at_once(replicates: list[Replicate], train: Train) -> None:
    with pytest.raises(WorkerError, match="died"):
        list(train(replicates, Failing()))


def test_only_new_seeds_are_trained(
    replicates: list[Replicate], train: Train, checkpoints: Checkpoints
) -> None:
    first = results(train(replicates[:2], checkpoints=checkpoints))
    checkpoints.finish(replicates[:2])
    more = Inline()
    events = list(train(replicates, on(more), checkpoints))
    assert more.submitted == 2
    assert results(events[:4]) == first
    checkpoints.finish(replicates)
    assert results(train(replicates, on(Inline(most=0)), checkpoints)) == results(events)


def test_finished_epochs_are_not_trained_again_and_the_rest_gets_the_same_bits(
    replicates: list[Replicate], train: Train, checkpoints: Checkpoints
) -> None:
    with pytest.raises(KeyboardInterrupt):
        list(train(replicates, on(Inline(most=4)), checkpoints))
    rest = Inline()
    resumed = list(train(replicates, on(rest), checkpoints))
    assert rest.submitted == 2
    assert [event.is_restored for event in finished(resumed)] == [True] * 4 + [False] * 2
    assert results(resumed) == results(train(replicates))


def finished(events: Iterable[FinishedEpoch | Divergence]) -> list[FinishedEpoch]:
    return [event for event in events if isinstance(event, FinishedEpoch)]


def results(events: Iterable[FinishedEpoch | Divergence]) -> set[tuple[Epoch, bytes | None]]:
    return {(event.row, event.weights) for event in finished(events)}


def test_curves_are_sorted_whatever_the_order_of_arrival() -> None:
    rows = [made_up_epoch(1, 1), made_up_epoch(0, 2), made_up_epoch(0, 1, val_accuracy=0.3)]
    table = curves(rows)
    assert [(line["seed"], line["epoch"]) for line in table] == [(0, 1), (0, 2), (1, 1)]
    assert np.isclose(float(str(table[0]["val_accuracy"])), 0.3)
