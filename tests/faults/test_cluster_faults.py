"""Trainings on a Dask cluster whose processes die, stop, join late or do not fit: the same bits.

A worker is killed in the midst of a task, since tasks follow one another without a pause.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from clusters import Cluster, copy_code, kill, on_cluster
from interruptions import (
    NUM_EPOCHS,
    RESULTS,
    SEEDS,
    TRAIN,
    BackgroundTraining,
    Terminal,
    epochs_on_disk,
    error_line,
    restored_epochs,
    wait_until,
)
from repositories import Repository
from stores import client_of, runs_of


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Start a scheduler without workers."""
    with Cluster(tmp_path / "cluster") as cluster:
        yield cluster


@pytest.fixture
def on_it(untrained: Repository, cluster: Cluster) -> Repository:
    """Return a repository that trains on the cluster."""
    return on_cluster(untrained, cluster)


@pytest.mark.slow(minutes=2)
def test_workers_may_die_stop_and_join_late(
    on_it: Repository, cluster: Cluster, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    """Each worker has a folder of its own, that of the code, and shares none with the stage."""
    first = cluster.start_worker(copy_code(on_it, tmp_path / "first"))
    with BackgroundTraining(on_it) as training:
        training.wait_for_epochs(2)
        second = cluster.start_worker(copy_code(on_it, tmp_path / "second"))
        cluster.wait_for_workers(2)
        kill(first)
        there = epochs_on_disk(on_it)
        training.wait_for_epochs(there + 1)
        second.send_signal(signal.SIGSTOP)
        cluster.start_worker(copy_code(on_it, tmp_path / "third"))
        second.send_signal(signal.SIGCONT)
        printed = training.end()
    assert on_it.hashes(*RESULTS) == undisturbed, printed
    tags = [run.data.tags for run in runs_of(client_of(on_it))]
    assert {tag["machine.scheduler"] for tag in tags} == {cluster.address}
    assert all(tag["machine.host"] for tag in tags)
    assert list(tmp_path.glob("*/checkpoints")) == [on_it.path / "checkpoints"]


@pytest.mark.slow(minutes=1)
def test_a_scheduler_that_was_killed_is_named_and_started_again(
    on_it: Repository, cluster: Cluster, undisturbed: dict[str, str]
) -> None:
    worker = cluster.start_worker(on_it.path)
    with BackgroundTraining(on_it) as training:
        training.wait_for_epochs(2)
        kill(cluster.scheduler)
        line = error_line(training.end())
    assert f"the Dask scheduler at {cluster.address} has gone; start it" in line
    kill(worker)
    cluster.start_scheduler()
    cluster.start_worker(on_it.path)
    with BackgroundTraining(on_it) as training:
        printed = training.end()
    assert restored_epochs(printed) == training.found > 0
    assert on_it.hashes(*RESULTS) == undisturbed


# Dask imports it twice.
OTHER_TORCH = """
import importlib.metadata


def version(name, known=importlib.metadata.version):
    return "2.0.0" if name == "torch" else known(name)


importlib.metadata.version = version
"""


@pytest.mark.slow(minutes=1)
def test_workers_that_would_make_other_bits_are_named_and_refused(
    on_it: Repository, cluster: Cluster, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "other_torch.py").write_text(OTHER_TORCH)
    edited = copy_code(on_it, tmp_path / "edited")
    with (edited / "src/fashionbench/training/epoch.py").open("a") as file:
        file.write("# edited\n")
    cluster.start_worker(on_it.path, "--name", "old", "--preload", str(tmp_path / "other_torch.py"))
    cluster.start_worker(edited, "--name", "edited")
    cluster.start_plain_worker()
    cluster.wait_for_workers(3)
    done = on_it.run(*TRAIN, check=False)
    assert " is refused: it" in error_line(done.stderr)
    cluster.start_worker(on_it.path, "--nthreads", "2", "--name", "right")
    cluster.wait_for_workers(4)
    said = on_it.run(*TRAIN).stderr
    for line in (
        "worker old at tcp://*is refused: its torch is 2.0.0, not",
        "worker edited at tcp://*is refused: its training/epoch.py is ",
        "worker plain at tcp://*is refused: it does not say what it runs; start it with",
        "worker right at tcp://*has 2 threads",
    ):
        begin, _, end = line.partition("*")
        assert any(begin in found and end in found for found in said.splitlines()), line
    assert on_it.hashes(*RESULTS) == undisturbed


@pytest.mark.slow(minutes=2)
def test_two_users_share_a_cluster_and_a_stage_that_ends_leaves_no_task(
    on_it: Repository, cluster: Cluster, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    """The stage of one user is killed, and later interrupted: it goes on where it was."""
    other = on_it.copy(tmp_path / "other")
    for _ in range(2):
        cluster.start_worker(on_it.path)
    with BackgroundTraining(on_it) as one, BackgroundTraining(other) as two:
        one.wait_for_epochs(1)
        two.wait_for_epochs(1)
        two.stage().kill()
        two.end()
        one.end()
    assert on_it.hashes(*RESULTS) == undisturbed
    wait_until(cluster.is_idle, seconds=20)
    press_ctrl_c(other, cluster)
    with BackgroundTraining(other) as training:
        printed = training.end()
    assert restored_epochs(printed) == training.found
    assert 0 < training.found < SEEDS * NUM_EPOCHS
    assert other.hashes(*RESULTS) == undisturbed


def press_ctrl_c(repository: Repository, cluster: Cluster) -> None:
    """Press Ctrl-C as soon as something more is trained."""
    before = epochs_on_disk(repository)
    with Terminal() as terminal:
        dvc = terminal.start(repository, *TRAIN)
        wait_until(lambda: (terminal.read(), epochs_on_disk(repository) > before)[1])
        terminal.press_ctrl_c()
        wait_until(lambda: (terminal.read(), dvc.poll() is not None)[1])
        assert dvc.returncode, terminal.read()
        assert "Traceback" not in terminal.read()
    wait_until(cluster.is_idle, seconds=20)
