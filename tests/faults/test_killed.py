"""Trainings that are killed: no work that was finished is done again, and no bit differs.

To start a stage takes several seconds, so a test interrupts one training again and again. Each step
is a function of its own, and each start must go on after exactly the epochs it finds on disk.
"""

import os
from pathlib import Path

import psutil
import pytest
from cores import on_all_cores
from interruptions import (
    NUM_EPOCHS,
    RESULTS,
    SEEDS,
    TRAIN,
    BackgroundTraining,
    Terminal,
    assert_gone,
    epochs_on_disk,
    is_alive,
    restored_epochs,
    wait_until,
    workers_below,
)
from repositories import Repository
from stores import by_name, client_of, curves_of, points, runs_of

HIDE_CURSOR = "\x1b[?25l"
"""What a terminal gets when a bar begins."""


@pytest.mark.slow(minutes=1)
def test_a_stage_killed_at_any_moment_loses_no_epoch_and_no_bit(
    untrained: Repository, undisturbed: dict[str, str]
) -> None:
    kill_the_stage(untrained, epochs=0)
    terminate_the_stage(untrained)
    runs = ids_of_runs(untrained)
    kill_everything(untrained)
    kill_everything(untrained)
    set_the_clock_back(untrained)
    kill_the_stage(untrained, epochs=SEEDS * NUM_EPOCHS - 1)
    finish(untrained, undisturbed)
    assert ids_of_runs(untrained) == runs
    assert_mlflow_shows_every_epoch_once(untrained)


@pytest.mark.slow(minutes=1)
def test_any_process_may_die_and_a_checkpoint_be_damaged(
    untrained: Repository, undisturbed: dict[str, str]
) -> None:
    kill_dvc_alone(untrained)
    press_ctrl_c(untrained)
    kill_one_worker(untrained)
    damaged = damage_checkpoints_of_seed_0(untrained)
    printed = finish(untrained, undisturbed, kept=epochs_on_disk(untrained, seed=1))
    for path in damaged:
        assert f"{path} is damaged or of another training" in printed
    assert "slow seed 0 goes on" not in printed
    assert "slow seed 1 goes on" in printed


def kill_the_stage(repository: Repository, epochs: int) -> None:
    """``kill -9`` of the stage alone once that many epochs are on disk: dvc says so."""
    with BackgroundTraining(repository) as training:
        workers = training.workers()
        training.wait_for_epochs(epochs)
        training.stage().kill()
        printed = training.end()
    assert "ERROR" in printed
    assert_gone(workers)
    assert epochs_on_disk(repository) >= epochs
    assert not epochs or restored_epochs(printed) == training.found


def terminate_the_stage(repository: Repository) -> None:
    """SIGTERM, as a batch system sends it: the stage says so, and MLflow learns of it."""
    client = client_of(repository)
    with BackgroundTraining(repository) as training:
        training.suspend_after(3)
        wait_until(lambda: points(client))
        assert {run.info.status for run in runs_of(client)} == {"RUNNING"}
        training.resume()
        workers = training.workers()
        training.stage().terminate()
        printed = training.end()
    assert "fashionbench: terminated" in printed
    assert "Traceback" not in printed
    assert_gone(workers)
    assert restored_epochs(printed) == training.found
    assert {run.info.status for run in runs_of(client)} == {"KILLED"}


def kill_everything(repository: Repository) -> None:
    """``kill -9`` of dvc, stage and workers at once, as in a power cut."""
    with BackgroundTraining(repository) as training:
        training.wait_for_more(3)
        training.kill_all()
        printed = training.output()
    assert restored_epochs(printed) == training.found


def set_the_clock_back(repository: Repository) -> None:
    """Make code and checkpoints a day newer than the clock says."""
    for path in [*repository.path.rglob("checkpoints/*"), *repository.path.rglob("src/**/*.py")]:
        tomorrow = path.stat().st_mtime + 24 * 3600
        os.utime(path, (tomorrow, tomorrow))


def kill_dvc_alone(repository: Repository) -> None:
    """``kill -9`` of dvc while its stage runs on: no second stage trains beside it."""
    with BackgroundTraining(repository) as training:
        training.wait_for_epochs(1)
        stage, workers = training.stage(), training.workers()
        stage.suspend()
        training.dvc.kill()
        training.dvc.wait()
        refused = repository.run(*TRAIN, check=False)
        assert refused.returncode != 0
        assert f"train@slow is already running (process {stage.pid})" in refused.stderr
        stage.kill()
    assert_gone([stage, *workers])


def press_ctrl_c(repository: Repository) -> None:
    """Ctrl-C in a terminal ends all processes, and leaves the terminal as it was."""
    found = epochs_on_disk(repository)
    with Terminal() as terminal:
        dvc = terminal.start(repository, *on_all_cores(*TRAIN))
        # Workers train while the stage still imports what draws the bar.
        wait_until(lambda: HIDE_CURSOR in terminal.read())
        wait_until(lambda: terminal.read() and epochs_on_disk(repository) >= found + 3)
        workers = workers_below(psutil.Process(dvc.pid))
        assert len(workers) == min(SEEDS, cores_of(dvc.pid))
        terminal.press_ctrl_c()
        wait_until(lambda: terminal.read() and not any(map(is_alive, workers)), seconds=10)
        wait_until(lambda: terminal.read() and dvc.poll() is not None)
        printed = terminal.read()
        assert terminal.is_as_before()
    assert dvc.returncode != 0
    assert "interrupted" in printed
    assert "Traceback" not in printed
    hidden, shown = printed.rindex(HIDE_CURSOR), printed.rindex("\x1b[?25h")
    assert hidden < shown
    assert restored_epochs(printed) == found


def kill_one_worker(repository: Repository) -> None:
    """``kill -9`` of one of two workers: the stage ends, and names what that was at."""
    with BackgroundTraining(repository, *on_all_cores(*TRAIN)) as training:
        training.wait_for_more(3)
        workers = training.workers()
        workers[0].kill()
        printed = training.end()
    assert "fashionbench: error: slow seed " in printed
    assert "its process was ended by SIGKILL, as the system does when memory runs out" in printed
    assert "Traceback" not in printed
    assert_gone(workers)
    assert restored_epochs(printed) == training.found


def damage_checkpoints_of_seed_0(repository: Repository) -> list[Path]:
    """Cut off the ends of all checkpoints of seed 0, one for each start; return their paths."""
    assert epochs_on_disk(repository, seed=0)
    damaged = list((repository.path / "checkpoints").glob("seed_0-*[0-9]"))
    for path in damaged:
        path.write_bytes(path.read_bytes()[:-100])
    return damaged


def finish(repository: Repository, undisturbed: dict[str, str], kept: int | None = None) -> str:
    """Run what was interrupted to its end, with the results of an undisturbed run.

    ``kept`` is how many epochs must not be trained again, if not all that are on disk.
    """
    kept = epochs_on_disk(repository) if kept is None else kept
    printed = repository.run(*TRAIN).stderr
    assert kept
    assert restored_epochs(printed) == kept
    assert repository.hashes(*RESULTS) == undisturbed
    left = (repository.path / "checkpoints").iterdir()
    assert {path.suffix for path in left} == {".finished"}
    return printed


def ids_of_runs(repository: Repository) -> dict[str, str]:
    return {name: run.info.run_id for name, run in by_name(client_of(repository)).items()}


def assert_mlflow_shows_every_epoch_once(repository: Repository) -> None:
    client = client_of(repository)
    runs = by_name(client)
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    for seed in range(SEEDS):
        curve = curves_of(client, runs[f"slow seed {seed}"])["val_loss"]
        assert sorted(step for step, _ in curve) == list(range(1, NUM_EPOCHS + 1))


def cores_of(process: int) -> int:
    """Return on how many cores a process may run."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(process))
    return os.cpu_count() or 1
