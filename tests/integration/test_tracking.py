"""Live logging of a training to a real SQLite store of MLflow."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from threading import Event
from time import monotonic

import mlflow
import pytest
import torch
from filelock import FileLock, Timeout
from mlflow import MlflowClient
from repositories import Repository
from shared import make_once
from stores import by_name, client_of, curves_of, make_store, runs_of
from trainings import made_up_epoch, network, nothing_watched

from fashionbench.errors import StoreError, TrainingError
from fashionbench.params import Hyperparameters
from fashionbench.pipeline.processes import Owner
from fashionbench.tracking import log, store
from fashionbench.tracking import runs as tracking_runs
from fashionbench.tracking.runs import TrainingRuns, track_training
from fashionbench.tracking.store import locked_store
from fashionbench.tracking.sync import average_curves, average_scores
from fashionbench.training.epoch import Replicate
from fashionbench.workers.local import LocalWorkers

DECLARED = network(hidden_sizes=(4,), dropout_prob=0.5)
IDLE = LocalWorkers(ThreadPoolExecutor(1), 1)
"""Workers who have nothing to do but to be described."""


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a store that has its tables, which takes seconds, and nothing of the project's."""
    return make_once(tmp_path_factory, "empty_store", make_store) / "mlflow.db"


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_store: Path) -> Path:
    """Make a repository with an empty store for each test, as DVC would name it to a stage."""
    shutil.copy(empty_store, tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("DVC_STAGE", "train@tiny")
    for name in ("MLFLOW_TRACKING_URI", "DVC_EXP_NAME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def replicates(
    hyperparameters: Hyperparameters, seeds: tuple[int, ...] = (0, 5)
) -> list[Replicate]:
    return [
        Replicate(network=DECLARED, hyperparameters=hyperparameters, seed=seed) for seed in seeds
    ]


def track(hyperparameters: Hyperparameters) -> None:
    """Track a made-up training of two seeds."""
    with track_training(replicates(hyperparameters), nothing_watched(), IDLE) as tracked:
        for seed in (0, 5):
            for epoch in (1, 2):
                tracked.log_epoch(made_up_epoch(seed, epoch, val_loss=1.0 / epoch))


def test_a_network_is_a_parent_with_one_child_per_seed(
    root: Path, hyperparameters: Hyperparameters
) -> None:
    track(hyperparameters)
    found = by_name(client_of(Repository(root)))
    assert found.keys() == {"tiny", "tiny seed 0", "tiny seed 5"}
    parent, child = found["tiny"], found["tiny seed 5"]
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert child.data.tags["dvc.stage"] == "train@tiny"
    assert child.data.tags["fashionbench.key"] != found["tiny seed 0"].data.tags["fashionbench.key"]
    assert child.data.tags["version.torch"] == torch.__version__.split("+")[0]
    assert child.data.tags["machine.threads_per_replicate"] == "1"
    assert child.data.params["dropout_prob"] == "0.5"
    assert child.data.params["learning_rate"] == "0.001"
    assert child.data.params["seed"] == "5"
    assert parent.data.params["seeds"] == "[0, 5]"
    history = client_of(Repository(root)).get_metric_history(child.info.run_id, "val_loss")
    assert [(point.step, point.value) for point in history] == [(1, 1.0), (2, 0.5)]


def delete_all(client: MlflowClient) -> None:
    """Delete each run by itself, and then the experiment."""
    for run in runs_of(client):
        client.delete_run(run.info.run_id)
    delete_experiment(client)


def delete_experiment(client: MlflowClient) -> str:
    """Delete the experiment, which deletes all its runs; return its id."""
    experiment = client.get_experiment_by_name("fashionbench")
    assert experiment
    client.delete_experiment(experiment.experiment_id)
    return str(experiment.experiment_id)


def delete_what_is_whole(client: MlflowClient) -> None:
    """Log every run a second time, and delete the first one."""
    for run in runs_of(client):
        name, tags = run.info.run_name, run.data.tags
        copied = client.create_run(run.info.experiment_id, tags=tags, run_name=name)
        client.set_terminated(copied.info.run_id)
        client.delete_run(run.info.run_id)


def copy_all(client: MlflowClient) -> None:
    """Log every run a second time, and restore what was ever deleted."""
    delete_what_is_whole(client)
    client.restore_experiment(delete_experiment(client))


@pytest.mark.parametrize("meddle", [delete_all, delete_experiment, delete_what_is_whole, copy_all])
def test_whatever_was_deleted_or_copied_each_run_stands_once(
    root: Path, hyperparameters: Hyperparameters, meddle: Callable[[MlflowClient], None]
) -> None:
    client = client_of(Repository(root))
    track(hyperparameters)
    for _ in range(2):
        meddle(client)
        track(hyperparameters)
        found = by_name(client)
        assert found.keys() == {"tiny", "tiny seed 0", "tiny seed 5"}
        parents = {run.data.tags.get("mlflow.parentRunId") for run in found.values()}
        assert parents == {None, found["tiny"].info.run_id}


def test_a_run_that_was_deleted_comes_back_with_what_its_user_wrote(
    root: Path, hyperparameters: Hyperparameters
) -> None:
    client = client_of(Repository(root))
    track(hyperparameters)
    run = by_name(client)["tiny seed 0"].info.run_id
    client.set_tag(run, "mine", "yes")
    client.delete_run(run)
    track(hyperparameters)
    again = by_name(client)["tiny seed 0"]
    assert again.info.run_id == run
    assert again.data.tags["mine"] == "yes"
    assert [step for step, _ in curves_of(client, again)["val_loss"]] == [1, 2]


def break_off(hyperparameters: Hyperparameters, error: BaseException) -> TrainingRuns:
    """Track a training that ends in an error after the first seed has diverged."""
    kept = []

    def train() -> None:
        with track_training(replicates(hyperparameters), nothing_watched(), IDLE) as tracked:
            kept.append(tracked)
            tracked.log_divergence(0, "the loss of epoch 3 is not a finite number")
            raise error

    with pytest.raises(type(error)):
        train()
    return kept[0]


@pytest.mark.parametrize(
    ("error", "status"),
    [(TrainingError("tiny diverged"), "FAILED"), (KeyboardInterrupt(), "KILLED")],
)
def test_a_training_that_breaks_off_is_marked(
    root: Path, hyperparameters: Hyperparameters, error: BaseException, status: str
) -> None:
    break_off(hyperparameters, error).wait(60)
    found = by_name(client_of(Repository(root)))
    statuses = {name: run.info.status for name, run in found.items()}
    assert statuses == {"tiny": status, "tiny seed 0": "FAILED", "tiny seed 5": status}
    reason = found["tiny seed 0"].data.tags["fashionbench.failure"]
    assert reason == "the loss of epoch 3 is not a finite number"


def test_a_run_whose_process_is_dead_is_marked_by_whoever_comes_next(
    root: Path, hyperparameters: Hyperparameters
) -> None:
    track(hyperparameters)
    client = client_of(Repository(root))
    alive, dead, whole = runs_of(client)
    ended = subprocess.Popen(["true"])
    ended.wait()
    owners = {alive: Owner.current(), dead: replace(Owner.current(), number=ended.pid)}
    for run, owner in owners.items():
        client.update_run(run.info.run_id, "RUNNING")
        client.set_tag(run.info.run_id, log.OWNER_TAG, str(owner))
    with locked_store() as (guarded, experiment):
        log.Runs(guarded, experiment, network="another")
        assert client.get_run(dead.info.run_id).info.status == "RUNNING"
        log.Runs(guarded, experiment)
    statuses = [client.get_run(run.info.run_id).info.status for run in (alive, dead, whole)]
    assert statuses == ["RUNNING", "KILLED", "FINISHED"]


def test_of_a_short_training_a_failure_alone_is_told(
    root: Path, hyperparameters: Hyperparameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = root / "train.safetensors"
    images.write_bytes(bytes(1000))
    monkeypatch.setattr(tracking_runs, "split_file", lambda *_: images)
    client = client_of(Repository(root))
    track(hyperparameters)
    break_off(hyperparameters, KeyboardInterrupt()).wait(60)
    assert runs_of(client) == []
    break_off(hyperparameters, TrainingError("tiny diverged")).wait(60)
    found = by_name(client)
    assert {run.info.status for run in found.values()} == {"FAILED"}
    assert found["tiny"].data.tags["fashionbench.failure"] == "tiny diverged"


@pytest.mark.usefixtures("root")
def test_a_store_that_hangs_holds_nothing_up_and_is_said(
    hyperparameters: Hyperparameters,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    released = Event()

    def hang() -> AbstractContextManager[tuple[MlflowClient, str]]:
        released.wait(60)
        raise StoreError("it was let go")

    monkeypatch.setattr(store, "locked_store", hang)
    monkeypatch.setattr(tracking_runs, "PATIENCE_S", 0.1)
    start = monotonic()
    track(hyperparameters)
    tracked = break_off(hyperparameters, KeyboardInterrupt())
    assert monotonic() - start < 10
    assert "no answer for 0 s" in caplog.text
    released.set()
    tracked.wait(60)


def test_below_mlflow_run_the_runs_are_new_and_its_children(
    root: Path, hyperparameters: Hyperparameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "LAUNCHER", "launcher")
    monkeypatch.setenv("DVC_EXP_NAME", "bold-try")
    track(hyperparameters)
    found = by_name(client_of(Repository(root)))
    assert len(found) == 3
    for run in found.values():
        assert run.info.run_id != "launcher"
        assert run.data.tags["dvc.experiment"] == "bold-try"
    assert found["tiny"].data.tags["mlflow.parentRunId"] == "launcher"


def test_a_tracking_uri_of_the_user_wins(
    root: Path, hyperparameters: Hyperparameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = root / "other"
    other.mkdir()
    (root / "mlflow.db").rename(other / "mlflow.db")
    monkeypatch.chdir(other)
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # Earlier tests have set one.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{other / 'mlflow.db'}")
    track(hyperparameters)
    assert len(by_name(client_of(Repository(other)))) == 3
    assert not (root / "mlflow.db").exists()


@pytest.mark.usefixtures("root")
def test_a_store_that_is_away_stops_nothing_and_no_password_is_shown(
    hyperparameters: Hyperparameters,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Nothing listens on port 9 of this machine.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    track(hyperparameters)
    warnings = [record.getMessage() for record in caplog.records]
    assert len([text for text in warnings if "cannot log this stage to MLflow" in text]) == 1
    assert "secret" not in caplog.text


def test_no_credentials_reach_the_store(
    hyperparameters: Hyperparameters, monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "someone")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "Tr0ub4dor")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "Tr0ub4dor")
    track(hyperparameters)
    files = [path for path in root.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if b"Tr0ub4dor" in path.read_bytes()] == []


def test_scores_are_averaged_over_seeds_and_rounded_as_in_the_tables() -> None:
    classes = {"class_accuracy/test_Shirt": 0.5}
    summary = average_scores(
        [{"final/accuracy": value, **classes} for value in (0.889, 0.8892, 0.8912, 0.8898, 0.8899)]
    )
    assert summary.keys() == {
        "final/accuracy",
        "interval/accuracy_low",
        "interval/accuracy_high",
        "interval/n",
        *classes,
    }
    assert summary["final/accuracy"] == 0.88982
    assert summary["interval/accuracy_low"] < 0.889 < 0.8905 < summary["interval/accuracy_high"]
    assert summary["interval/n"] == 5
    assert all(value == round(value, 6) for value in summary.values())
    (average,) = average_curves([[{"epoch": 1, "val_loss": loss}] for loss in (0.1, 0.2, 0.2)])
    assert average == {"epoch": 1, "val_loss": 0.166667}


def test_processes_exclude_each_other_and_the_lock_of_a_dead_one_is_free(root: Path) -> None:
    hold = "import time; from fashionbench.tracking.store import locked_store\n"
    hold += "with locked_store(): print('locked', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", hold]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "locked\n"
    lock = FileLock(root / "mlflow.db.lock")
    with pytest.raises(Timeout):
        lock.acquire(timeout=0.2)
    process.kill()
    process.communicate()
    with lock.acquire(timeout=10), pytest.raises(Timeout):
        FileLock(root / "mlflow.db.lock").acquire(timeout=0)
    with locked_store() as (client, experiment):
        assert client.get_experiment(experiment).name == "fashionbench"
