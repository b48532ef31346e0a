"""What the machine, the parameters or the user's editor do to a training in its midst."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from interruptions import RESULTS, TRAIN, BackgroundTraining
from repositories import Repository
from stores import by_name, client_of

# Without these even root may not write where the permissions of a folder forbid it.
AS_MORTALS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")


@pytest.fixture
def small_disk(prepared: Repository, tmp_path: Path) -> Iterator[Repository]:
    """The repository with the training to do, on a disk of its own of 64 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield prepared.copy(disk / "repository")
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def error_line(printed: str) -> str:
    """The one line with which the stage ended."""
    (line,) = [line for line in printed.splitlines() if line.startswith("fashionbench: error: ")]
    assert "Traceback" not in printed
    return line


def test_a_full_disk_is_named_and_costs_nothing_that_was_finished(
    small_disk: Repository, undisturbed: dict[str, str]
) -> None:
    training = BackgroundTraining(small_disk)
    training.wait_for_epochs(2)
    ballast = small_disk.path / "ballast"
    with ballast.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(b"\0" * 4096)
            except OSError:
                break
    printed = training.end()
    assert "checkpoints/slow-seed_" in error_line(printed)
    assert "No space left on device; mend that and run the same command again" in printed
    ballast.unlink()
    assert "goes on after epoch" in small_disk.run(*TRAIN).stderr
    assert small_disk.hashes(*RESULTS) == undisturbed


def test_a_folder_nobody_may_write_to_is_named_before_training(
    untrained: Repository, undisturbed: dict[str, str]
) -> None:
    models = untrained.path / "models"
    models.mkdir()
    models.chmod(0o555)
    if subprocess.run([*AS_MORTALS, "true"], capture_output=True, check=False).returncode:
        pytest.skip("there is no setpriv that takes away root's rights")
    done = untrained.run(*AS_MORTALS, *TRAIN, check=False)
    assert done.returncode != 0
    assert "models/slow: Permission denied; mend that" in error_line(done.stderr)
    assert "epoch" not in done.stdout
    models.chmod(0o755)
    untrained.run(*TRAIN)
    assert untrained.hashes(*RESULTS) == undisturbed


def test_two_at_once_do_not_disturb_each_other_and_nothing_listens(
    untrained: Repository, undisturbed: dict[str, str]
) -> None:
    training = BackgroundTraining(untrained)
    training.wait_for_epochs(1)
    listening = [
        connection
        for process in (training.stage(), *training.workers())
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening == []
    second = untrained.run(*TRAIN, check=False)
    assert second.returncode != 0
    assert "ERROR" in second.stderr
    assert "Traceback" not in second.stderr
    training.end()
    assert training.dvc.returncode == 0
    assert untrained.hashes(*RESULTS) == undisturbed


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("src/fashionbench/losses.py", "import torch\n", "import torch\n# edited\n"),
        ("params.yaml", "batch_size: 64", "batch_size: 32"),
    ],
)
def test_an_edit_while_the_stage_runs_never_reaches_the_lock(
    untrained: Repository, undisturbed: dict[str, str], file: str, old: str, new: str
) -> None:
    lock = untrained.hashes("dvc.lock")
    training = BackgroundTraining(untrained)
    training.wait_for_epochs(3)
    path = untrained.path / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    printed = training.end()
    assert f"{file} changed while train@slow ran" in error_line(printed)
    assert untrained.hashes("dvc.lock") == lock
    # Whoever takes the edit back finds the epochs that were trained before it.
    path.write_text(text)
    assert "goes on after epoch" in untrained.run(*TRAIN).stderr
    assert untrained.hashes(*RESULTS) == undisturbed


def test_seeds_that_diverge_are_named_and_marked(untrained: Repository) -> None:
    untrained.change_params(learning_rate=1e30)
    done = untrained.run(*TRAIN, check=False)
    assert done.returncode != 0
    line = error_line(done.stderr)
    assert "slow diverged with seed 0 (the loss of epoch 1 is not a finite number), seed 1" in line
    assert "try a learning_rate below 1e+30" in line
    assert "train@slow" not in (untrained.path / "dvc.lock").read_text()

    runs = by_name(client_of(untrained))
    assert {run.info.status for run in runs.values()} == {"FAILED"}
    reasons = {name: run.data.tags["fashionbench.failure"] for name, run in runs.items()}
    reason = "the loss of epoch 1 is not a finite number"
    assert reasons.pop("slow") in line
    assert reasons == {"slow seed 0": reason, "slow seed 1": reason}
