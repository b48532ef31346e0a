"""A ``dvc repro`` that runs in the background, to be watched and interfered with."""

import fcntl
import json
import os
import pty
import re
import signal
import subprocess
import termios
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Self

import psutil
from repositories import Repository, make_repository
from safetensors import safe_open

RESULTS = ("dvc.lock", "metrics", "models")
SEEDS = 2
NUM_EPOCHS = 32
TRAIN = ("dvc", "repro", "train@slow")
# A few seconds of training: long enough to be told to MLflow as it goes and to be interrupted five
# times, and every kind of layer.
SLOW_NETWORK = {
    "conv_filters": [12, 12],
    "hidden_sizes": [16],
    "batch_norm": True,
    "dropout": "dropout_prob",
    "l1": "l1_strength",
    "l2": "none",
}
# MLflow's tables, which take longer to make than the training.
_MAKE_STORE = "import mlflow; mlflow.MlflowClient('sqlite:///mlflow.db').search_experiments()"
# Several times what a stage needs to start beside other tests.
PATIENCE_S = 120


def make_untrained(path: Path) -> Repository:
    """Make a repository in which only the training of the network ``slow`` is still to do."""
    repository = make_repository(path)
    repository.change_params(networks={"slow": SLOW_NETWORK}, num_epochs=NUM_EPOCHS)
    repository.run("dvc", "repro", "prepare")
    repository.run("python", "-c", _MAKE_STORE)
    repository.commit("prepared")
    return repository


def wait_until(
    condition: Callable[[], object], seconds: float = PATIENCE_S, pause: float = 0.02
) -> None:
    """Ask again and again until something is true; AssertionError if it takes too long."""
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end, "waited in vain"
        sleep(pause)


class BackgroundTraining:
    """``dvc repro train@slow`` in processes of its own group.

    ``found`` is how many epochs were on disk when it started.
    """

    def __init__(self, repository: Repository, *command: str) -> None:
        self._repository = repository
        self._output = repository.path / ".dvc/tmp/output"
        self.found = epochs_on_disk(repository)
        # Not that of an earlier start.
        self._holder = repository.path / ".dvc/tmp/fashionbench/train@slow.pid"
        self._holder.unlink(missing_ok=True)
        with self._output.open("wb") as output:
            self.dvc = subprocess.Popen(
                command or TRAIN,
                cwd=repository.path,
                env=repository.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def stage(self) -> psutil.Process:
        """Return the process of the stage, as soon as there is one."""
        wait_until(lambda: self._holder.exists() and self._holder.read_text())
        return psutil.Process(int(self._holder.read_text()))

    def workers(self) -> list[psutil.Process]:
        """Return the processes that compute, as soon as there are some."""
        stage = self.stage()
        wait_until(lambda: workers_below(stage))
        return workers_below(stage)

    def wait_for_epochs(self, number: int) -> None:
        """Wait until that many epochs of all replicates together are on disk."""
        wait_until(
            lambda: epochs_on_disk(self._repository) >= number or self.dvc.poll() is not None
        )
        assert epochs_on_disk(self._repository) >= number, self.output()

    def wait_for_more(self, epochs: int) -> None:
        """Wait until that many epochs more than at the start are on disk.

        The stage asks its workers for no third one before it has opened its progress bar and has
        begun to tell MLflow.
        """
        self.wait_for_epochs(self.found + epochs)

    def end(self) -> str:
        """Wait for dvc to end by itself; return all that was printed."""
        self.dvc.wait(PATIENCE_S)
        return self.output()

    def output(self) -> str:
        """Return what dvc and the stage have printed so far."""
        return self._output.read_text()

    def suspend_after(self, epochs: int) -> None:
        """Hold the training up as soon as that many epochs more than at the start are on disk."""
        self.wait_for_more(epochs)
        for worker in self.workers():
            worker.suspend()

    def resume(self) -> None:
        """Let a training go on that was held up."""
        for worker in self.workers():
            worker.resume()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_all()

    def kill_all(self) -> None:
        """``kill -9`` of dvc, the stage and the workers at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.dvc.pid, signal.SIGKILL)
        self.dvc.wait(PATIENCE_S)


class Terminal:
    """A terminal in which one command runs, and a user who reads what it prints."""

    def __init__(self) -> None:
        self._near, self._far = pty.openpty()
        self._before = termios.tcgetattr(self._far)
        self._printed = b""
        os.set_blocking(self._near, False)

    def start(self, repository: Repository, *command: str) -> "subprocess.Popen[bytes]":
        """Start the command."""

        def as_a_terminal_would() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            # A job in the background, as this test may be, does not hear of Ctrl-C.
            signal.signal(signal.SIGINT, signal.default_int_handler)

        return subprocess.Popen(
            command,
            cwd=repository.path,
            # Where sh is dash, Ctrl-C ends it at once, and not only the command that it runs.
            env=repository.environment | {"TERM": "xterm", "SHELL": "/bin/sh"},
            stdin=self._far,
            stdout=self._far,
            stderr=self._far,
            start_new_session=True,
            preexec_fn=as_a_terminal_would,
        )

    def read(self) -> str:
        """Return what has been printed so far; who does not read holds the command up."""
        with suppress(BlockingIOError):
            self._printed += os.read(self._near, 1 << 16)
        return self._printed.decode(errors="replace")

    def press_ctrl_c(self) -> None:
        """Do what a user does who has enough of it."""
        os.write(self._near, b"\x03")

    def is_as_before(self) -> bool:
        """Whether a command typed now would be shown as ever."""
        return bool(termios.tcgetattr(self._far) == self._before)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._near)
        os.close(self._far)


def workers_below(process: psutil.Process) -> list[psutil.Process]:
    """Return the processes that compute among all that a process has started.

    They are forked: they have the command line of their parent.
    """
    found = []
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            command, parent = child.cmdline(), child.parent()
            if command and parent is not None and parent.cmdline() == command:
                found.append(child)
    return found


def assert_gone(processes: Collection[psutil.Process]) -> None:
    """Wait until processes have ended; AssertionError if one stays."""
    wait_until(lambda: not any(map(is_alive, processes)), seconds=10)


def is_alive(process: psutil.Process) -> bool:
    """Whether a process runs; one that has ended may still be waited for by its parent."""
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def epochs_on_disk(repository: Repository, seed: int | None = None) -> int:
    """Return how many epochs the checkpoints of a repository hold, of all seeds or of one."""
    by_replicate: dict[str, int] = {}
    which = "*" if seed is None else f"{seed}-*"
    for path in (repository.path / "checkpoints").glob(f"seed_{which}"):
        # Of a replicate that was cut off twice there is one file each time.
        with suppress(FileNotFoundError):
            if path.suffix != ".incoming":
                with safe_open(path, framework="numpy") as file:
                    epochs = len(json.loads(file.metadata()["rows"]))
                replicate = path.name.partition(".")[0]
                by_replicate[replicate] = max(epochs, by_replicate.get(replicate, 0))
    return sum(by_replicate.values())


def restored_epochs(printed: str) -> int:
    """Return how many finished epochs a stage says that it goes on after, or need not train."""
    whole = printed.count(" has been trained before")
    unfinished = re.findall(r"goes on after epoch (\d+) of ", printed)
    return NUM_EPOCHS * whole + sum(map(int, unfinished))


def error_line(printed: str) -> str:
    """Return the one line with which a stage ended."""
    (line,) = [line for line in printed.splitlines() if line.startswith("fashionbench: error: ")]
    assert "Traceback" not in printed
    return line
