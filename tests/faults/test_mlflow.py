"""Trainings that die under MLflow, and an MLflow that is away, silent or dies under a training."""

import os
import signal
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from interruptions import NUM_EPOCHS, BackgroundTraining, wait_until
from mlflow import MlflowClient
from mlflow.entities import Run
from repositories import Repository
from servers import TrackingServer, free_port, silent_server, tracking_server
from stores import assert_shows_what_dvc_holds, by_name, client_of, curves_of, runs_of

WARNING = "MLflow cannot be told of this stage"
EPOCHS = list(range(1, NUM_EPOCHS + 1))


def points(client: MlflowClient) -> int:
    """How many epochs of all replicates MLflow shows."""
    return sum(len(curves_of(client, run).get("val_loss", [])) for run in runs_of(client))


def die_in_mid_training(repository: Repository) -> dict[str, Run]:
    """The runs of a training that is killed when a few of its epochs are to be seen in MLflow."""
    with BackgroundTraining(repository) as training:
        training.suspend_after(4)
        # Not before the stage has made the store, which two must not do at once.
        wait_until(lambda: has_experiment(repository))
        client = client_of(repository)
        # What the two workers have on disk they may not have handed over yet, but for one epoch.
        wait_until(lambda: points(client) >= 1, seconds=30)
        live = by_name(client)
    assert {run.info.status for run in live.values()} == {"RUNNING"}
    return live


def has_experiment(repository: Repository) -> bool:
    try:
        with closing(sqlite3.connect(repository.path / "mlflow.db")) as store:
            query = "SELECT count(*) FROM experiments WHERE name = 'fashionbench'"
            return bool(store.execute(query).fetchone()[0])
    except sqlite3.OperationalError:
        return False


def test_epochs_appear_while_a_network_trains_and_a_dead_run_is_taken_over(
    untrained: Repository,
) -> None:
    live = die_in_mid_training(untrained)
    untrained.run("dvc", "repro", "train@slow")
    client = client_of(untrained)
    done = by_name(client)
    assert {name: run.info.run_id for name, run in done.items()} == {
        name: run.info.run_id for name, run in live.items()
    }
    assert {run.info.status for run in done.values()} == {"FINISHED"}
    for seed in (0, 1):
        curve = curves_of(client, done[f"slow seed {seed}"])["val_loss"]
        assert sorted(step for step, _ in curve) == EPOCHS


def test_a_dead_run_that_nobody_takes_over_is_marked_as_killed(untrained: Repository) -> None:
    dead = {run.info.run_id for run in die_in_mid_training(untrained).values()}
    untrained.change_params(num_epochs=1)
    untrained.run("dvc", "repro", "train@slow")
    runs = runs_of(client_of(untrained))
    assert {run.info.status for run in runs if run.info.run_id in dead} == {"KILLED"}
    assert {run.info.status for run in runs if run.info.run_id not in dead} == {"FINISHED"}


def test_a_stopped_run_is_marked_as_killed(untrained: Repository) -> None:
    with BackgroundTraining(untrained) as training:
        training.wait_for_epochs(4)
        os.kill(training.stage().pid, signal.SIGTERM)
        training.end()
    assert {run.info.status for run in runs_of(client_of(untrained))} == {"KILLED"}


@pytest.mark.slow
def test_a_server_that_dies_in_mid_training_stops_nothing_and_is_filled_later(
    untrained: Repository, tmp_path: Path
) -> None:
    with tracking_server(tmp_path / "server") as server:
        repository = replace(untrained, variables={"MLFLOW_TRACKING_URI": server.uri})
        client = MlflowClient(server.uri)
        with BackgroundTraining(repository) as training:
            training.suspend_after(4)
            wait_until(lambda: points(client) >= 1)
            begun = {run.info.run_id for run in runs_of(client)}
            server.kill()
            for worker in training.workers():
                worker.resume()
            printed = training.end()
            assert training.dvc.returncode == 0, printed
        assert printed.count(WARNING) == 1
        assert_filled_when_back(server, repository)
        assert {run.info.run_id for run in runs_of(client)} > begun


@pytest.mark.slow
def test_a_server_that_is_away_is_filled_when_it_is_there(
    untrained: Repository, tmp_path: Path
) -> None:
    away = f"http://me:secret@127.0.0.1:{free_port()}"
    done = replace(untrained, variables={"MLFLOW_TRACKING_URI": away}).run("dvc", "repro")
    # Of the stages that train, evaluate and mirror.
    assert done.stderr.count(WARNING) == 3
    assert "secret" not in done.stdout + done.stderr
    with tracking_server(tmp_path / "server") as server:
        repository = replace(untrained, variables={"MLFLOW_TRACKING_URI": server.uri})
        assert_filled_when_back(server, repository)


def test_a_server_that_never_answers_holds_nothing_up(untrained: Repository) -> None:
    with silent_server() as uri:
        # The same as without, but sooner.
        variables = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_HTTP_REQUEST_TIMEOUT": "2"}
        done = replace(untrained, variables=variables).run("dvc", "repro", "train@slow")
    assert done.stderr.count(WARNING) == 1


def assert_filled_when_back(server: TrackingServer, repository: Repository) -> None:
    server.kill()
    server.start()
    said = repository.run("dvc", "repro")
    assert WARNING not in said.stderr
    client = MlflowClient(server.uri)
    assert_shows_what_dvc_holds(client, repository)
    assert by_name(client).keys() == {"comparison", "slow", "slow seed 0", "slow seed 1"}
