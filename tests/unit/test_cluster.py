"""Training on a cluster, without one: chunks, what is handed on, and who may take part."""

import re
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from distributed import Reschedule
from distributed.scheduler import KilledWorker
from packages import PACKAGES
from safetensors.torch import save
from trainings import network, nothing_watched, train_replicate

from fashionbench.data.examples import Examples, load_examples
from fashionbench.errors import ChangedError, DivergedError, WorkerError
from fashionbench.params import Hyperparameters
from fashionbench.pipeline.dependencies import Dependencies
from fashionbench.training.checkpoints import Checkpoints
from fashionbench.training.epoch import Epoch, Replicate, weights
from fashionbench.training.replicates import EpochTask
from fashionbench.workers import cluster
from fashionbench.workers.chunks import (
    FACTS,
    Build,
    Chunk,
    Interrupts,
    hand_over,
    interruptible,
    own_build,
    resource_of,
    train_chunk,
)
from fashionbench.workers.cluster import ClusterWorkers, Members, difference
from fashionbench.workers.scheduler import explain

EPOCHS = 3
ADDRESS = "tcp://scheduler:8786"


@pytest.fixture
def examples(split: Path) -> Examples:
    return load_examples(split, "cpu")


@pytest.fixture
def replicate(hyperparameters: Hyperparameters) -> Replicate:
    declared = network(conv_filters=(2,), dropout_prob=0.5, batch_norm=True)
    return Replicate(
        network=declared, hyperparameters=replace(hyperparameters, num_epochs=EPOCHS), seed=1
    )


@pytest.fixture
def task(replicate: Replicate, split: Path, tmp_path: Path) -> EpochTask:
    checkpoints = Checkpoints(tmp_path / "checkpoints", nothing_watched())
    return EpochTask(replicate=replicate, epoch=1, checkpoints=checkpoints, train=split, val=split)


def chunks_of(replicate: Replicate, split: Path, seconds: float) -> list[Chunk]:
    content, chunks = split.read_bytes(), [Chunk()]
    while len(chunks[-1].rows) < EPOCHS and not chunks[-1].divergence:
        chunks.append(train_chunk(replicate, chunks[-1], content, content, seconds))
    return chunks[1:]


@pytest.mark.parametrize(("seconds", "number"), [(0, EPOCHS), (1000, 1)])
def test_chunks_of_any_length_make_the_same_bits(
    replicate: Replicate, split: Path, examples: Examples, seconds: float, number: int
) -> None:
    chunks = chunks_of(replicate, split, seconds)
    rows, state = train_replicate(replicate, examples, examples)
    assert len(chunks) == number
    assert list(chunks[-1].rows) == rows
    assert chunks[-1].state == save(weights(state))


class Client:
    """A client of Dask's that has its tasks carried out at once, on a processor of a new name."""

    def __init__(self) -> None:
        self.resources: list[set[str]] = []

    def submit(self, work: Callable[..., Any], *given: Any, **options: Any) -> "Done":
        if work is hand_over:
            return Done(work(*given))
        self.resources.append(set(options["resources"]))
        replicate, before, train, val = given
        chunk = train_chunk(replicate, before, train.answer, val.answer, options["seconds"])
        return Done(replace(chunk, device="Processor® 1"))

    def subscribe_topic(self, *_: object) -> None: ...
    def unsubscribe_topic(self, *_: object) -> None: ...
    def close(self, timeout: float) -> None: ...
    def scheduler_info(self, n_workers: int) -> dict[str, Any]:
        return {"workers": {}}


@dataclass(eq=False)
class Done:
    """A future of Dask's that is finished."""

    answer: Any
    status = "finished"

    def result(self) -> Any:
        return self.answer

    def cancel(self, force: bool) -> None: ...


def train_on(client: Client, task: EpochTask) -> list[Epoch | BaseException]:
    """Return all that workers of a cluster tell of a task."""
    told: SimpleQueue[Epoch | BaseException] = SimpleQueue()
    workers = ClusterWorkers(client, ADDRESS, 0)
    found: list[Epoch | BaseException] = []
    try:
        workers.train(task, told.put)
        while not found or (isinstance(found[-1], Epoch) and found[-1].epoch < EPOCHS):
            found.append(told.get(timeout=60))
    finally:
        workers.close()
    assert told.empty()
    return found


def test_each_row_is_told_once_and_the_last_when_its_weights_are_on_disk(
    task: EpochTask, split: Path
) -> None:
    *_, last = chunks_of(task.replicate, split, 0)
    assert train_on(Client(), task) == list(last.rows)
    kept = task.checkpoints.load(task.replicate, EPOCHS)
    assert save(dict(kept.state)) == last.state


@pytest.mark.parametrize("change", [{"precision": "bfloat16"}, {"optimizer": "adagrad"}])
def test_a_training_without_defined_bits_goes_on_from_disk_on_the_device_that_it_began_on(
    task: EpochTask, split: Path, change: dict[str, Any]
) -> None:
    imprecise = replace(task.replicate.hyperparameters, **change)
    begun = replace(task, replicate=replace(task.replicate, hyperparameters=imprecise))
    first = Client()
    rows = train_on(first, begun)
    assert [len(needed) for needed in first.resources] == [2] * EPOCHS
    chunk = replace(chunks_of(begun.replicate, split, 0)[0], device="Processor® 1")
    cluster._save(begun, chunk)
    again = Client()
    assert train_on(again, begun.after(1)) == rows[1:]
    assert again.resources == first.resources[1:]
    assert any("Processor® 1" in name for name in again.resources[0])


def test_a_divergence_is_told_after_the_epochs_before_it(task: EpochTask) -> None:
    wild = replace(task.replicate.hyperparameters, learning_rate=1e30)
    replicate = replace(task.replicate, hyperparameters=wild)
    *rows, error = train_on(Client(), replace(task, replicate=replicate))
    assert len(rows) < EPOCHS
    assert isinstance(error, DivergedError)
    assert "is not a finite number" in str(error)


class Pending(Client):
    """A client whose only task goes on until it is cancelled, and ends a little later."""

    def __init__(self) -> None:
        super().__init__()
        self.is_open, self.is_waited_for, self.is_cancelled = True, Event(), Event()
        self.asked: list[bool] = []
        """Whether the client was open, each time when it was asked to cancel the task."""

    def submit(self, work: Callable[..., Any], *given: Any, **options: Any) -> Any:
        if work is hand_over:
            return super().submit(work, *given, **options)
        return Mock(result=self.wait, cancel=self.cancel, status="cancelled")

    def wait(self) -> None:
        self.is_waited_for.set()
        self.is_cancelled.wait(60)
        time.sleep(0.1)
        raise CancelledError

    def cancel(self, force: bool) -> None:
        self.asked.append(self.is_open)
        self.is_cancelled.set()

    def close(self, timeout: float) -> None:
        self.is_open = False


def test_a_client_ends_after_all_trainings_since_it_answers_no_more(task: EpochTask) -> None:
    client, told = Pending(), SimpleQueue[Any]()
    workers = ClusterWorkers(client, ADDRESS, 0)
    workers.train(task, told.put)
    client.is_waited_for.wait(60)
    workers.close()
    assert "the stage has ended" in str(told.get(timeout=60))
    assert client.asked == [True, True]
    assert not client.is_open


def test_an_edit_during_a_training_stops_it(
    task: EpochTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(_: Dependencies) -> None:
        raise ChangedError("edited")

    monkeypatch.setattr(Dependencies, "check_unchanged", changed)
    (error,) = train_on(Client(), task)
    assert isinstance(error, ChangedError)


def test_a_build_has_the_code_of_all_packages_that_a_worker_runs() -> None:
    packages = {name.partition("/")[0] for name in OWN if "/" in name}
    assert packages == {*PACKAGES[: PACKAGES.index("workers") + 1]}


OWN = own_build()
WITHOUT_EPOCH = {name: found for name, found in OWN.items() if name != "training/epoch.py"}


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (OWN, ""),
        ({**OWN, "processor": "aarch64"}, "its processor is aarch64, not .*; use machines of"),
        ({**OWN, "torch": "2.0"}, "its torch is 2.0, not .*; install requirements-cluster.txt"),
        ({**OWN, "capability": "AVX512"}, "its capability is AVX512, not .*; start it with fash"),
        (WITHOUT_EPOCH, r"its training/epoch.py is missing, not \w*; give it the code of"),
        ({**OWN, "a.py": "1"}, "its a.py is 1, not there; give it the code of this repository"),
        (
            {"processor": OWN["processor"]},
            r"its torch is missing, not .* \(and \d+ more differ\); i",
        ),
    ],
)
def test_a_build_that_differs_has_another_resource_and_says_why(other: Build, reason: str) -> None:
    said = difference(OWN, other)
    assert bool(said) == bool(reason) == (resource_of(other) != resource_of(OWN))
    assert re.match(reason, said)


def told(name: str, build: Build, *differing: str, **facts: Any) -> dict[str, Any]:
    """Return what a scheduler tells of a worker."""
    described = {
        "build": build,
        "differing": differing,
        "environment": {"machine.host": name, "machine.cpu": "one"},
    }
    return {"name": name, FACTS: described, **facts}


def test_workers_of_a_cluster_are_described_together_and_named_if_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = Members(ADDRESS, OWN)
    other = {**OWN, "torch": "2.0"}
    workers = {
        "tcp://a": told("a", OWN),
        "tcp://b": told("b", OWN, nthreads=8),
        "tcp://c": told("c", other),
        "tcp://d": {"name": "d"},
        "tcp://e": told("e", OWN, "n2_mlp"),
    }
    for _ in range(2):
        found.update(workers)
    assert found.describe() == {
        "machine.scheduler": ADDRESS,
        "machine.workers": "2",
        "machine.cpu": "one",
        "machine.host": "a; b",
    }
    threads, version, silent, differing = caplog.messages
    assert threads.startswith("worker b at tcp://b has 8 threads, ")
    assert version.startswith("worker c at tcp://c is refused: its torch is 2.0, not ")
    assert silent.startswith("worker d at tcp://d is refused: it does not say what it runs; start")
    assert differing.startswith("worker e at tcp://e is refused: its bits differ (n2_mlp); ")


def test_the_want_of_workers_is_told_only_if_they_are_needed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cluster, "PATIENCE_S", 0)
    found = Members(ADDRESS, OWN)
    found.check(is_needed=False)
    assert caplog.messages == []
    for _ in range(2):
        found.check(is_needed=True)
    (line,) = caplog.messages
    assert line.startswith(f"waiting for workers to join {ADDRESS}: start some with fashionbench")
    found.update({"tcp://d": {"name": "d"}})
    with pytest.raises(WorkerError, match="worker d at tcp://d is refused"):
        found.check(is_needed=True)
    found.update({"tcp://d": {"name": "d"}, "tcp://a": told("a", OWN)})
    found.check(is_needed=True)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (None, f"n1 seed 0: the Dask scheduler at {ADDRESS} has gone; start it and its workers"),
        (
            KilledWorker("key", SimpleNamespace(address="tcp://a:1"), 3),
            "n1 seed 0: 4 workers died of it, the last at tcp://a",
        ),
        (
            RuntimeError("Error during deserialization of the task graph. This frequently"),
            f"n1 seed 0: the Dask scheduler at {ADDRESS} cannot read it; start it with the",
        ),
        (MemoryError("8 GiB"), r"n1 seed 0: on a worker no memory is left \(8 GiB\); let fewer"),
    ],
)
def test_what_ends_a_task_is_one_line(error: Exception | None, line: str) -> None:
    with pytest.raises(WorkerError, match=line):
        raise explain(error, "n1 seed 0", ADDRESS)


def test_an_error_of_the_code_stays_what_it_is() -> None:
    error = ZeroDivisionError("bug")
    assert explain(error, "n1 seed 0", ADDRESS) is error


def test_a_task_that_is_no_longer_wanted_is_interrupted_and_no_other() -> None:
    started, ended = Event(), []

    def work() -> None:
        try:
            with interruptible("key"):
                started.set()
                while True:
                    time.sleep(0.001)
        except Reschedule:
            ended.append("interrupted")

    thread = Thread(target=work, daemon=True)
    thread.start()
    started.wait(10)
    interrupts = Interrupts()
    interrupts.transition("other", "executing", "released")
    interrupts.transition("key", "executing", "memory")
    thread.join(0.1)
    assert thread.is_alive()
    interrupts.transition("key", "executing", "released")
    thread.join(10)
    assert ended == ["interrupted"]
    interrupts.transition("key", "executing", "released")
