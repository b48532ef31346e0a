"""A ``dvc repro`` that runs in the background, to be watched and interfered with."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Self

import psutil
from repositories import Repository, make_repository

RESULTS = ("dvc.lock", "metrics", "models")
NUM_EPOCHS = 12
TRAIN = ("dvc", "repro", "train@slow")
# Two seconds of training: long enough to be interrupted, and with every kind of layer.
SLOW_NETWORK = {
    "conv_filters": [12, 12],
    "hidden_sizes": [16],
    "batch_norm": True,
    "dropout": "dropout_prob",
    "l1": "l1_strength",
    "l2": "none",
}
PATIENCE_S = 60


def make_untrained(path: Path) -> Repository:
    """A repository in which only the training of the network ``slow`` is still to do."""
    repository = make_repository(path)
    repository.change_params(networks={"slow": SLOW_NETWORK}, num_epochs=NUM_EPOCHS)
    repository.run("dvc", "repro", "prepare")
    repository.run("git", "add", "-A")
    repository.run("git", "commit", "-qm", "prepared")
    return repository


def wait_until(
    condition: Callable[[], object], seconds: float = PATIENCE_S, pause: float = 0.01
) -> None:
    """Ask again and again until something is true; AssertionError if it takes too long."""
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end, "waited in vain"
        sleep(pause)


class BackgroundTraining:
    """``dvc repro train@slow`` in processes of its own group."""

    def __init__(self, repository: Repository, *command: str) -> None:
        self._repository = repository
        self._output = repository.path / ".dvc/tmp/output"
        # Not the lock of an earlier start.
        self._lock = repository.path / ".dvc/tmp/fashionbench/train@slow.lock"
        self._lock.unlink(missing_ok=True)
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
        """The process of the stage, as soon as there is one."""
        wait_until(lambda: self._lock.exists() and self._lock.read_text())
        return psutil.Process(int(self._lock.read_text()))

    def workers(self) -> list[psutil.Process]:
        """The processes that compute, as soon as there are some."""
        stage = self.stage()

        def found() -> list[psutil.Process]:
            children = stage.children()
            return [child for child in children if "spawn_main" in " ".join(child.cmdline())]

        wait_until(found)
        return found()

    def wait_for_epochs(self, number: int) -> None:
        """Wait until that many epochs of all replicates together are on disk."""
        wait_until(
            lambda: epochs_on_disk(self._repository) >= number or self.dvc.poll() is not None
        )
        assert epochs_on_disk(self._repository) >= number, self.output()

    def end(self) -> str:
        """Wait for dvc to end by itself; all that was printed."""
        self.dvc.wait(PATIENCE_S)
        return self.output()

    def output(self) -> str:
        """What dvc and the stage have printed so far."""
        return self._output.read_text()

    def suspend_after(self, epochs: int) -> None:
        """Hold the training up as soon as that many epochs are on disk."""
        self.wait_for_epochs(epochs)
        for worker in self.workers():
            worker.suspend()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_all()

    def kill_all(self) -> None:
        """``kill -9`` of dvc, the stage and the workers at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.dvc.pid, signal.SIGKILL)
        self.dvc.wait(PATIENCE_S)


def epochs_on_disk(repository: Repository) -> int:
    """How many epochs the checkpoints of a repository hold."""
    by_replicate: dict[str, int] = {}
    for path in (repository.path / "checkpoints").glob("*-seed_*"):
        # Of a replicate that was cut off twice there is one file each time.
        with suppress(FileNotFoundError):
            if path.suffix != ".incoming":
                epochs = len(json.loads(path.read_bytes().split(b"\n", 2)[1])["rows"])
                by_replicate[path.stem] = max(epochs, by_replicate.get(path.stem, 0))
    return sum(by_replicate.values())
