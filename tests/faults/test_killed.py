"""Trainings that are killed: no work that was finished is done again, and no bit differs."""

import fcntl
import os
import pty
import signal
import subprocess
import termios
from contextlib import suppress

import psutil
import pytest
from interruptions import (
    NUM_EPOCHS,
    RESULTS,
    TRAIN,
    BackgroundTraining,
    epochs_on_disk,
    wait_until,
)
from repositories import Repository, environment

SEEDS = 2


def finish(repository: Repository, undisturbed: dict[str, str]) -> str:
    """Run what was interrupted to its end; the results must be those of an undisturbed run."""
    done = repository.run(*TRAIN)
    assert repository.hashes(*RESULTS) == undisturbed
    assert not (repository.path / "checkpoints").exists()
    return done.stderr


def cut_off(repository: Repository, epochs: int) -> None:
    """Train until that many epochs are on disk, and kill everything."""
    training = BackgroundTraining(repository)
    training.wait_for_epochs(epochs)
    training.kill_all()


def kill(process: psutil.Process, number: int = signal.SIGKILL) -> None:
    os.kill(process.pid, number)


@pytest.mark.parametrize("epochs", [0, 5, SEEDS * NUM_EPOCHS - 1])
def test_kill_of_the_stage_at_any_moment(
    untrained: Repository, undisturbed: dict[str, str], epochs: int
) -> None:
    training = BackgroundTraining(untrained)
    workers = training.workers()
    training.wait_for_epochs(epochs)
    kill(training.stage())
    assert "ERROR" in training.end()
    psutil.wait_procs(workers, timeout=2)
    assert not any(worker.is_running() for worker in workers)
    kept = epochs_on_disk(untrained)
    assert kept >= epochs
    printed = finish(untrained, undisturbed)
    restored = [int(line.split()[-3]) for line in printed.splitlines() if "goes on after" in line]
    assert sum(restored) == kept


def test_kill_of_everything_twice_in_a_row(
    untrained: Repository, undisturbed: dict[str, str]
) -> None:
    for epochs in (4, 12):
        cut_off(untrained, epochs)
    # As if the clock had been set back by a day since.
    for path in [*untrained.path.rglob("checkpoints/*"), *untrained.path.rglob("src/**/*.py")]:
        tomorrow = path.stat().st_mtime + 24 * 3600
        os.utime(path, (tomorrow, tomorrow))
    assert "goes on after epoch" in finish(untrained, undisturbed)


def test_kill_of_one_worker_names_its_replicate(
    untrained: Repository, undisturbed: dict[str, str]
) -> None:
    training = BackgroundTraining(untrained)
    training.wait_for_epochs(3)
    kill(training.workers()[0])
    printed = training.end()
    assert "fashionbench: error: slow seed " in printed
    assert "its process was ended by SIGKILL, as the system does when memory runs out" in printed
    assert "Traceback" not in printed
    assert "goes on after epoch" in finish(untrained, undisturbed)


def test_kill_of_dvc_alone_leaves_no_second_trainer(
    untrained: Repository, undisturbed: dict[str, str]
) -> None:
    training = BackgroundTraining(untrained)
    training.wait_for_epochs(1)
    stage = training.stage()
    stage.suspend()
    training.dvc.kill()
    training.dvc.wait()
    refused = untrained.run(*TRAIN, check=False)
    assert refused.returncode != 0
    assert f"train@slow is being run by process {stage.pid} already" in refused.stderr
    kill(stage)
    psutil.wait_procs([stage], timeout=5)
    finish(untrained, undisturbed)


def test_sigterm_ends_the_workers_and_says_so(
    untrained: Repository, undisturbed: dict[str, str]
) -> None:
    training = BackgroundTraining(untrained)
    training.wait_for_epochs(3)
    workers = training.workers()
    kill(training.stage(), signal.SIGTERM)
    printed = training.end()
    assert "fashionbench: terminated" in printed
    assert "Traceback" not in printed
    assert not any(worker.is_running() for worker in workers)
    assert "goes on after epoch" in finish(untrained, undisturbed)


def test_ctrl_c_ends_everything_and_restores_the_terminal(
    untrained: Repository, undisturbed: dict[str, str]
) -> None:
    terminal, far_end = pty.openpty()
    before = termios.tcgetattr(far_end)

    def as_a_terminal_would() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        # A job in the background, as this test may be, does not hear of Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)

    dvc = subprocess.Popen(
        TRAIN,
        cwd=untrained.path,
        env=environment() | {"TERM": "xterm"},
        stdin=far_end,
        stdout=far_end,
        stderr=far_end,
        start_new_session=True,
        preexec_fn=as_a_terminal_would,
    )
    os.set_blocking(terminal, False)
    printed = b""

    def read() -> bool:
        nonlocal printed
        with suppress(BlockingIOError):
            printed += os.read(terminal, 1 << 16)
        return epochs_on_disk(untrained) >= 3

    wait_until(read)
    below = psutil.Process(dvc.pid).children(recursive=True)
    workers = [child for child in below if "spawn_main" in " ".join(child.cmdline())]
    assert len(workers) == min(SEEDS, os.cpu_count() or 1)
    os.write(terminal, b"\x03")
    wait_until(lambda: read() and not any(worker.is_running() for worker in workers), seconds=2)
    wait_until(lambda: read() and dvc.poll() is not None)
    assert dvc.returncode != 0
    assert b"interrupted" in printed
    assert b"Traceback" not in printed
    hidden, shown = printed.rindex(b"\x1b[?25l"), printed.rindex(b"\x1b[?25h")
    assert hidden < shown
    assert termios.tcgetattr(far_end) == before
    os.close(terminal)
    os.close(far_end)
    finish(untrained, undisturbed)


def test_a_damaged_checkpoint_is_said_and_costs_only_its_own_replicate(
    untrained: Repository, undisturbed: dict[str, str]
) -> None:
    cut_off(untrained, 6)
    damaged = next((untrained.path / "checkpoints").glob("*-seed_0-*"))
    damaged.write_bytes(damaged.read_bytes()[:-100])
    printed = finish(untrained, undisturbed)
    assert f"{damaged} is damaged or of another training" in printed
    assert "slow seed 0 goes on" not in printed
    assert "slow seed 1 goes on" in printed
