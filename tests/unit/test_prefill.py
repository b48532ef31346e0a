"""Training all networks at once: the longest first, each replicate once, errors at once."""

import os
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from trainings import network, nothing_watched

from fashionbench import cli
from fashionbench.errors import TrainingError, WorkerError
from fashionbench.params import Hyperparameters, Params
from fashionbench.stages.train_all import distinct_replicates
from fashionbench.training.checkpoints import Checkpoints
from fashionbench.training.epoch import Epoch, Replicate
from fashionbench.training.networks import build
from fashionbench.training.replicates import EpochTask
from fashionbench.workers.at_once import raise_failures
from fashionbench.workers.costs import operations, remaining_cost
from fashionbench.workers.longest_first import LongestFirst


def epoch_of(seed: int, number: int) -> Epoch:
    return Epoch(
        seed=seed,
        epoch=number,
        train_objective=1.0,
        train_loss=1.0,
        train_accuracy=0.5,
        val_loss=1.0,
        val_accuracy=0.5,
    )


def task_of(hyperparameters: Hyperparameters, seed: int, width: int, epoch: int = 1) -> EpochTask:
    replicate = Replicate(
        network=network(hidden_sizes=(width,)), hyperparameters=hyperparameters, seed=seed
    )
    checkpoints = Checkpoints(Path("nowhere"), nothing_watched())
    return EpochTask(
        replicate=replicate, epoch=epoch, checkpoints=checkpoints, train=Path(), val=Path()
    )


def test_the_longest_waiting_training_is_next(hyperparameters: Hyperparameters) -> None:
    gate, order = threading.Event(), []

    def run(task: EpochTask) -> Epoch:
        gate.wait(10)
        order.append(task.replicate.seed)
        return epoch_of(task.replicate.seed, task.epoch)

    tasks = [
        task_of(hyperparameters, seed=0, width=1),
        task_of(hyperparameters, seed=1, width=2),
        task_of(hyperparameters, seed=2, width=2, epoch=hyperparameters.num_epochs),
        task_of(hyperparameters, seed=3, width=9),
        task_of(hyperparameters, seed=4, width=9),
    ]
    with ThreadPoolExecutor(1) as thread, LongestFirst(thread, 1) as executor:
        futures = [executor.submit(run, task) for task in tasks]
        gate.set()
        rows = [future.result(10) for future in futures]
    assert [row.seed for row in rows] == [0, 1, 2, 3, 4]
    assert order == [0, 3, 4, 1, 2]


def test_an_error_frees_its_slot_and_the_end_cancels_what_waits(
    hyperparameters: Hyperparameters,
) -> None:
    gate = threading.Event()

    def fail(task: EpochTask) -> Epoch:
        raise WorkerError("died")

    def hang(task: EpochTask) -> Epoch:
        gate.wait(10)
        return epoch_of(0, 1)

    task = task_of(hyperparameters, seed=0, width=1)
    with ThreadPoolExecutor(1) as thread, ThreadPoolExecutor(1) as watcher:
        with LongestFirst(thread, 1) as executor:
            with pytest.raises(WorkerError, match="died"):
                executor.submit(fail, task).result(10)
            running, waiting = executor.submit(hang, task), executor.submit(hang, task)
            waits = watcher.submit(wait, [waiting], 10)
        assert waiting.cancelled()
        assert waits.result(20).done == {waiting}
        with pytest.raises(RuntimeError, match="after the end"):
            executor.submit(hang, task)
        gate.set()
        assert running.result(10).epoch == 1


def test_the_cost_of_a_network_counts_its_products(params: Params) -> None:
    assert operations(params.network("n2_mlp")) == 784 * 128 + 128 * 64 + 64 * 10
    perceptron = network(hidden_sizes=(20, 30))
    counted = sum(p.numel() for p in build(perceptron).parameters() if p.dim() > 1)
    assert operations(perceptron) == counted
    pooled = network(conv_filters=(4, 8), pool=True, hidden_sizes=())
    assert operations(pooled) == 784 * 9 * 4 + 196 * 9 * 4 * 8 + 49 * 8 * 10


def test_less_is_left_after_each_epoch(hyperparameters: Hyperparameters) -> None:
    costs = [remaining_cost(task_of(hyperparameters, 0, 8, epoch)) for epoch in (1, 2, 20)]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] * hyperparameters.num_epochs == costs[0] > 0


def test_each_replicate_is_trained_once_and_the_longest_begin(params: Params) -> None:
    twin = {**params.networks, "a_twin": params.networks["n2_mlp"]}
    found = distinct_replicates(params.model_copy(update={"networks": twin}))
    assert next(iter(found)) == "n8_conv"
    assert len({"n2_mlp", "a_twin"} & found.keys()) == 1
    assert {len(replicates) for replicates in found.values()} == {len(params.seeds)}


def done_with(error: Exception | None) -> "Future[None]":
    future: Future[None] = Future()
    if error:
        future.set_exception(error)
    else:
        future.set_result(None)
    return future


def test_what_diverged_is_told_at_the_end_and_other_errors_at_once() -> None:
    raise_failures([done_with(None)])
    diverged = [done_with(TrainingError(f"{name} diverged")) for name in "ba"]
    with pytest.raises(TrainingError, match="a diverged; b diverged"):
        raise_failures([*diverged, done_with(None)])
    never: Future[None] = Future()
    with pytest.raises(WorkerError, match="died"):
        raise_failures([never, done_with(WorkerError("died"))])


def test_a_worker_is_dasks_own_with_one_thread_and_our_preload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, command: started.append(command))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    assert cli.main(["worker", "tcp://host:8786", "--nworkers", "8"]) == 0
    (command,) = started
    assert command[:4] == [sys.executable, "-m", "distributed.cli.dask_worker", "tcp://host:8786"]
    assert command[4:6] == ["--nthreads", "1"]
    assert command[6:] == ["--preload", "fashionbench.workers.preload", "--nworkers", "8"]
    assert os.environ["MALLOC_TRIM_THRESHOLD_"] == "1073741824"
    assert "trim_threshold=1073741824" in os.environ["GLIBC_TUNABLES"]


def test_a_worker_without_dask_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert cli.main(["worker", "tcp://host:8786"]) == 1
    assert "has no package distributed; activate" in capsys.readouterr().err
