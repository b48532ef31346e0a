"""What the machine, the parameters or the user's editor do to a training in its midst."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from interruptions import (
    RESULTS,
    TRAIN,
    BackgroundTraining,
    epochs_on_disk,
    error_line,
    restored_epochs,
)
from repositories import AS_MORTALS, Repository


@pytest.fixture
def small_disk(prepared: Repository, tmp_path: Path) -> Iterator[Repository]:
    """Give the repository with the training to do a disk of its own of 64 MiB."""
    if subprocess.run([*AS_MORTALS, "true"], capture_output=True, check=False).returncode:
        pytest.skip("there is no setpriv that takes away root's rights")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield prepared.copy(disk / "repository")
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.slow
def test_a_forbidden_folder_and_a_full_disk_are_named_and_cost_nothing(
    small_disk: Repository, undisturbed: dict[str, str]
) -> None:
    train_into_a_forbidden_folder(small_disk)
    train_until_the_disk_is_full(small_disk)
    kept = epochs_on_disk(small_disk)
    assert kept >= 2
    assert restored_epochs(small_disk.run(*TRAIN).stderr) == kept
    assert small_disk.hashes(*RESULTS) == undisturbed


@pytest.mark.slow
def test_edits_while_the_stage_runs_never_reach_the_lock_nor_a_second_start_the_results(
    untrained: Repository, undisturbed: dict[str, str]
) -> None:
    edit(
        untrained,
        "src/fashionbench/training/losses.py",
        "import torch\n",
        "import torch\n# edited\n",
    )
    edit(untrained, "params.yaml", "batch_size: 64", "batch_size: 32")
    start_twice(untrained)
    assert untrained.hashes(*RESULTS) == undisturbed


def train_into_a_forbidden_folder(repository: Repository) -> None:
    """Start with a folder for the weights that nobody may write to: it is named before training."""
    models = repository.path / "models"
    models.mkdir()
    models.chmod(0o555)
    done = repository.run(*AS_MORTALS, *TRAIN, check=False)
    models.chmod(0o755)
    assert done.returncode != 0
    assert "models/slow: Permission denied; " in error_line(done.stderr)
    assert "epoch" not in done.stdout
    assert epochs_on_disk(repository) == 0


def train_until_the_disk_is_full(repository: Repository) -> None:
    """Fill the disk in mid training: the checkpoint that did not fit is named."""
    ballast = repository.path / "ballast"
    with BackgroundTraining(repository) as training:
        training.wait_for_epochs(2)
        with ballast.open("wb", buffering=0) as file:
            while True:
                try:
                    file.write(b"\0" * 4096)
                except OSError:
                    break
        printed = training.end()
    line = error_line(printed)
    assert "checkpoints/seed_" in line
    assert "No space left on device; " in line
    assert " and run the same command again" in line
    ballast.unlink()


def edit(repository: Repository, file: str, old: str, new: str) -> None:
    """Edit a file while the stage runs, which ends it, and take the edit back.

    Whoever does so finds the epochs that were trained before it.
    """
    lock = repository.hashes("dvc.lock")
    path = repository.path / file
    text = path.read_text()
    assert old in text
    with BackgroundTraining(repository) as training:
        training.wait_for_more(3)
        path.write_text(text.replace(old, new))
        printed = training.end()
    path.write_text(text)
    assert f"{file} changed while train@slow ran" in error_line(printed)
    assert restored_epochs(printed) == training.found
    assert repository.hashes("dvc.lock") == lock


def start_twice(repository: Repository) -> None:
    """Start a training beside itself: the second is refused, and the first ends as ever."""
    with BackgroundTraining(repository) as training:
        training.suspend_after(3)
        processes = (training.stage(), *training.workers())
        connections = [found for process in processes for found in process.net_connections()]
        assert psutil.CONN_LISTEN not in {found.status for found in connections}
        second = repository.run(*TRAIN, check=False)
        training.resume()
        printed = training.end()
    assert second.returncode != 0
    assert "ERROR" in second.stderr
    assert "Traceback" not in second.stderr
    assert training.dvc.returncode == 0, printed
    assert restored_epochs(printed) == training.found > 0
