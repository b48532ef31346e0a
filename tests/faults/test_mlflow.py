"""Trainings that die, as MLflow shows them."""

import pytest
from interruptions import (
    NUM_EPOCHS,
    SEEDS,
    TRAIN,
    BackgroundTraining,
    epochs_in_mlflow,
    error_line,
    wait_until,
)
from mlflow.entities import Run
from repositories import Repository
from stores import by_name, client_of, curves_of, points, runs_of


@pytest.mark.slow
def test_a_dead_run_is_marked_by_others_and_taken_over_by_its_own(untrained: Repository) -> None:
    dead = die_in_mid_training(untrained)
    others = diverge(untrained)
    assert {run.info.status for run in runs_of_ids(untrained, dead)} == {"KILLED"}
    untrained.run(*TRAIN)
    assert_taken_over(untrained, dead)
    assert {run.info.status for run in runs_of_ids(untrained, others)} == {"FAILED"}
    assert len(runs_of(client_of(untrained))) == len(dead) + len(others)


def die_in_mid_training(repository: Repository) -> set[str]:
    """Kill a training when MLflow shows some of its epochs; return the ids of its runs."""
    with BackgroundTraining(repository) as training:
        training.suspend_after(4)
        # What the workers have on disk they may not have handed over yet, but for one epoch.
        wait_until(lambda: epochs_in_mlflow(repository))
        client = client_of(repository)
        assert points(client) >= 1
        live = by_name(client)
    assert set(live) == {"slow", *(f"slow seed {seed}" for seed in range(SEEDS))}
    assert {run.info.status for run in live.values()} == {"RUNNING"}
    return {run.info.run_id for run in live.values()}


def diverge(repository: Repository) -> set[str]:
    """Train the same network so that it diverges; return the ids of the runs that say so."""
    before = {run.info.run_id for run in runs_of(client_of(repository))}
    params = repository.path / "params.yaml"
    text = params.read_text()
    repository.change_params(learning_rate=1e30)
    done = repository.run(*TRAIN, check=False)
    params.write_text(text)
    assert done.returncode != 0
    line = error_line(done.stderr)
    assert "slow diverged with seed 0 (the loss of epoch 1 is not a finite number), seed 1" in line
    assert "try a learning_rate below 1e+30" in line
    assert "train@slow" not in (repository.path / "dvc.lock").read_text()

    after = runs_of(client_of(repository))
    runs = {
        str(run.info.run_name).removesuffix(" · learning_rate=1e+30"): run
        for run in after
        if run.info.run_id not in before
    }
    assert {run.info.status for run in runs.values()} == {"FAILED"}
    reasons = {name: run.data.tags["fashionbench.failure"] for name, run in runs.items()}
    reason = "the loss of epoch 1 is not a finite number"
    assert reasons.pop("slow") in line
    assert reasons == {"slow seed 0": reason, "slow seed 1": reason}
    return {run.info.run_id for run in runs.values()}


def assert_taken_over(repository: Repository, ids: set[str]) -> None:
    """Runs that had died are those of a whole training now, with every epoch once."""
    client = client_of(repository)
    runs = {str(run.info.run_name): run for run in runs_of_ids(repository, ids)}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    for seed in range(SEEDS):
        curve = curves_of(client, runs[f"slow seed {seed}"])["val_loss"]
        assert sorted(step for step, _ in curve) == list(range(1, NUM_EPOCHS + 1))


def runs_of_ids(repository: Repository, ids: set[str]) -> list[Run]:
    found = [run for run in runs_of(client_of(repository)) if run.info.run_id in ids]
    assert len(found) == len(ids)
    return found
