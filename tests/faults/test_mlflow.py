"""Trainings that die, as MLflow shows them."""

import os
import signal
import sqlite3
from contextlib import closing

from interruptions import NUM_EPOCHS, BackgroundTraining, wait_until
from mlflow.entities import Run
from repositories import Repository
from stores import by_name, client_of, curves_of, points, runs_of

EPOCHS = list(range(1, NUM_EPOCHS + 1))


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
