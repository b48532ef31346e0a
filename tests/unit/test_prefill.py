"""Training all networks at once: the longest first, each replicate once, errors at once."""

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import pytest
from trainings import made_up_epoch, network, nothing_watched

from fashionbench import cli
from fashionbench.commands import worker
from fashionbench.errors import DivergedError, WorkerError
from fashionbench.params import Hyperparameters, Params
from fashionbench.stages.training import distinct_replicates
from fashionbench.training import replicates
from fashionbench.training.checkpoints import Checkpoints
from fashionbench.training.costs import forward_products
from fashionbench.training.epoch import Epoch, Replicate
from fashionbench.training.replicates import EpochTask
from fashionbench.workers.local import LocalWorkers


def task_of(hyperparameters: Hyperparameters, seed: int, width: int, epoch: int = 1) -> EpochTask:
    replicate = Replicate(
        network=network(hidden_sizes=(width,)), hyperparameters=hyperparameters, seed=seed
    )
    checkpoints = Checkpoints(Path("nowhere"), nothing_watched())
    return EpochTask(
        replicate=replicate, epoch=epoch, checkpoints=checkpoints, train=Path(), val=Path()
    )


Told = tuple[int, Epoch | BaseException]


def train_on_one_thread(
    monkeypatch: pytest.MonkeyPatch,
    run: Callable[[EpochTask], Epoch],
    tasks: list[EpochTask],
    number: int,
) -> list[Told]:
    """Return all that is told of tasks, of which the first runs when the others wait."""
    gate, told = threading.Event(), SimpleQueue[Told]()

    def run_when_all_wait(task: EpochTask) -> Epoch:
        gate.wait(10)
        return run(task)

    monkeypatch.setattr(replicates, "run_epoch", run_when_all_wait)
    with ThreadPoolExecutor(1) as thread:
        workers = LocalWorkers(thread, 1)
        for task in tasks:
            seed = task.replicate.seed
            workers.train(task, partial(lambda seed, what: told.put((seed, what)), seed))
        gate.set()
        found = [told.get(timeout=10) for _ in range(number)]
    assert told.empty()
    return found


def test_the_longest_waiting_training_is_next(
    hyperparameters: Hyperparameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(task: EpochTask) -> Epoch:
        return made_up_epoch(task.replicate.seed, task.epoch)

    last = hyperparameters.num_epochs
    tasks = [
        task_of(hyperparameters, seed=0, width=1, epoch=last),
        task_of(hyperparameters, seed=1, width=2, epoch=last - 1),
        task_of(hyperparameters, seed=2, width=2, epoch=last),
        task_of(hyperparameters, seed=3, width=9, epoch=last - 1),
        task_of(hyperparameters, seed=4, width=9, epoch=last - 1),
    ]
    told = train_on_one_thread(monkeypatch, run, tasks, 8)
    assert [seed for seed, _ in told] == [0, 3, 4, 3, 4, 1, 2, 1]


def test_a_divergence_frees_its_slot_and_after_another_error_nothing_begins(
    hyperparameters: Hyperparameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = {0: DivergedError("diverged"), 1: WorkerError("died")}

    def fail(task: EpochTask) -> Epoch:
        raise errors[task.replicate.seed]

    tasks = [task_of(hyperparameters, seed, width=9 - seed) for seed in (0, 1, 2)]
    told = train_on_one_thread(monkeypatch, fail, tasks, 2)
    assert told == [(0, errors[0]), (1, errors[1])]


def test_the_cost_of_a_network_counts_its_products(params: Params) -> None:
    assert forward_products(params.network("n2_mlp")) == 784 * 128 + 128 * 64 + 64 * 10
    pooled = network(conv_filters=(4, 8), pool=True, hidden_sizes=())
    assert forward_products(pooled) == 784 * 9 * 4 + 196 * 9 * 4 * 8 + 49 * 8 * 10


def test_each_replicate_is_trained_once(params: Params) -> None:
    twin = {**params.networks, "a_twin": params.networks["n2_mlp"]}
    found = distinct_replicates(params.model_copy(update={"networks": twin}))
    assert len({"n2_mlp", "a_twin"} & found.keys()) == 1
    for name, of_network in found.items():
        assert [replicate.seed for replicate in of_network] == list(params.of(name).seeds)


def test_a_worker_is_dasks_own_with_one_thread_and_our_preload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, command: started.append(command))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    reached: list[object] = []
    monkeypatch.setattr(worker, "reach", lambda *asked, **_: reached.append(asked))
    assert cli.main(["worker", "tcp://host:8786", "--nworkers", "8"]) == 0
    (command,) = started
    assert reached == [("tcp://host:8786", "worker")]
    assert command[:4] == [sys.executable, "-m", "fashionbench.commands.worker", "tcp://host:8786"]
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
