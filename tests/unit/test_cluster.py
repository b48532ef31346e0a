"""Training on a cluster, without one: chunks, what is handed on, and who may take part."""

import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from distributed import Reschedule
from distributed.scheduler import KilledWorker
from safetensors.torch import load, save
from trainings import network, nothing_watched, train_replicate

from fashionbench.data.examples import Examples, load_examples
from fashionbench.data.sources import read_images, read_labels
from fashionbench.data.splits import Split, save_split
from fashionbench.errors import ChangedError, DivergedError, WorkerError
from fashionbench.params import Hyperparameters
from fashionbench.pipeline.dependencies import Dependencies
from fashionbench.training.checkpoints import Checkpoints
from fashionbench.training.epoch import Epoch, Replicate, weights
from fashionbench.training.replicates import EpochTask
from fashionbench.workers import members
from fashionbench.workers.build import Build, is_portable
from fashionbench.workers.chunks import Chunk, train_chunk
from fashionbench.workers.cluster_errors import explain
from fashionbench.workers.interrupts import Interrupts, interruptible
from fashionbench.workers.members import Members
from fashionbench.workers.preload import FACTS
from fashionbench.workers.progressing import Training

EPOCHS = 3
ADDRESS = "tcp://scheduler:8786"


@pytest.fixture(scope="module")
def split(sample_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("split") / "train.safetensors"
    images = read_images(sample_folder / "train-images-idx3-ubyte")
    save_split(Split(images, read_labels(sample_folder / "train-labels-idx1-ubyte")), path)
    return path


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
        told: list[Epoch] = []
        chunk = train_chunk(replicate, chunks[-1], content, content, told.append, seconds)
        assert [*chunks[-1].rows, *told] == list(chunk.rows)
        chunks.append(chunk)
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


def test_a_divergence_keeps_the_epochs_before_it(replicate: Replicate, split: Path) -> None:
    wild = replace(
        replicate, hyperparameters=replace(replicate.hyperparameters, learning_rate=1e30)
    )
    (chunk,) = chunks_of(wild, split, 1000)
    assert "is not a finite number" in chunk.divergence
    assert len(chunk.rows) < EPOCHS


def wanted(training: Training, task: EpochTask, epoch: int) -> Future[Epoch]:
    future: Future[Epoch] = Future()
    training.want(replace(task, epoch=epoch), future)
    return future


def test_rows_are_handed_on_when_told_and_the_last_when_its_weights_are_on_disk(
    task: EpochTask, split: Path
) -> None:
    first, second, third = chunks_of(task.replicate, split, 0)
    training = Training(task)
    future = wanted(training, task, 1)
    training.hear(first.rows[0])
    assert future.result(0) == first.rows[0]
    training.keep(second)
    assert wanted(training, task, 2).result(0) == second.rows[1]
    last = wanted(training, task, 3)
    training.hear(third.rows[2])
    with pytest.raises(NotYet):
        last.result(0)
    training.keep(third)
    assert last.result(0) == third.rows[2]
    assert training.is_over
    kept = task.checkpoints.load(task.replicate, EPOCHS)
    assert save(dict(kept.state)) == third.state


def test_a_training_goes_on_from_disk_on_the_device_that_it_began_on(
    task: EpochTask, split: Path
) -> None:
    first, second, _ = chunks_of(task.replicate, split, 0)
    Training(task).keep(replace(first, device="Processor® 1"))
    found = Training(replace(task, epoch=2)).start()
    assert found.device == "Processor® 1"
    assert load(found.state).keys() == load(first.state).keys()
    content = split.read_bytes()
    again = train_chunk(task.replicate, found, content, content, lambda _: None, 0)
    assert (again.rows, again.state) == (second.rows, second.state)


def test_a_result_that_comes_twice_is_kept_once(task: EpochTask, split: Path) -> None:
    first, second, _ = chunks_of(task.replicate, split, 0)
    training = Training(task)
    for chunk in (second, second, first):
        training.keep(chunk)
    assert len(task.checkpoints.load(task.replicate, 2).rows) == 2


def test_what_goes_wrong_reaches_who_waits_after_the_epochs_before_it(
    task: EpochTask, split: Path
) -> None:
    first = chunks_of(task.replicate, split, 0)[0]
    training = Training(task)
    training.keep(replace(first, divergence="the loss of epoch 2 is not a finite number"))
    assert wanted(training, task, 1).result(0) == first.rows[0]
    with pytest.raises(DivergedError, match="epoch 2"):
        wanted(training, task, 2).result(0)


def test_an_edit_during_a_training_stops_it(
    task: EpochTask, split: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(_: Dependencies) -> None:
        raise ChangedError("edited")

    first = chunks_of(task.replicate, split, 0)[0]
    monkeypatch.setattr(Dependencies, "check_unchanged", changed)
    with pytest.raises(ChangedError, match="edited"):
        Training(task).keep(first)


def test_only_float32_on_processors_is_portable(hyperparameters: Hyperparameters) -> None:
    assert is_portable(hyperparameters)
    assert not is_portable(replace(hyperparameters, precision="bfloat16"))
    assert not is_portable(replace(hyperparameters, device="cuda"))


OWN = Build.own()
WITHOUT_EPOCH = {name: sha256 for name, sha256 in OWN.code.items() if name != "training/epoch.py"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"architecture": "aarch64"}, "its processor is aarch64, not"),
        ({"versions": {**OWN.versions, "torch": "2.0"}}, "it has torch 2.0, not "),
        ({"capability": "AVX512"}, "its torch runs code for AVX512, not "),
        ({"code": WITHOUT_EPOCH}, "its code differs in training/epoch.py; give"),
        ({"code": {}}, r"its code differs in .* and \d+ more files; give"),
    ],
)
def test_a_build_that_differs_has_another_resource_and_says_why(
    changes: dict[str, Any], reason: str
) -> None:
    other = replace(OWN, **changes)
    said = OWN.difference(Build.parse(asdict(other)))
    assert bool(said) == bool(reason) == (other.resource != OWN.resource)
    assert re.match(reason, said)


def told(name: str, build: Build, *differing: str, **facts: Any) -> dict[str, Any]:
    """Return what a scheduler tells of a worker."""
    described = {
        "build": asdict(build),
        "differing": differing,
        "environment": {"machine.host": name, "machine.cpu": "one"},
    }
    return {"name": name, FACTS: described, **facts}


def test_workers_of_a_cluster_are_described_together_and_named_if_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = Members(ADDRESS, OWN)
    other = replace(OWN, versions={"torch": "2.0", "numpy": OWN.versions["numpy"]})
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
    assert version.startswith("worker c at tcp://c is refused: it has torch 2.0, not ")
    assert silent.startswith("worker d at tcp://d is refused: it does not say what it runs; start")
    assert differing.startswith("worker e at tcp://e is refused: it makes other bits (n2_mlp); ")


def test_the_want_of_workers_is_told_only_if_they_are_needed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(members, "PATIENCE_S", 0)
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


class Address:
    address = "tcp://a:1"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (None, f"n1 seed 0: the Dask scheduler at {ADDRESS} has gone; start it and its workers"),
        (KilledWorker("key", Address(), 3), "n1 seed 0: 4 workers died of it, the last at tcp://a"),
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


def run_in_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_a_task_that_is_no_longer_wanted_is_interrupted_and_no_other() -> None:
    started, ended = threading.Event(), []

    def work() -> None:
        try:
            with interruptible("key"):
                started.set()
                while True:
                    time.sleep(0.001)
        except Reschedule:
            ended.append("interrupted")

    thread = run_in_thread(work)
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
