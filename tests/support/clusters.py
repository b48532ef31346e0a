"""Dask clusters of real processes on this machine."""

import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from distributed import Client
from interruptions import wait_until
from repositories import PATIENCE_S, PROJECT, Repository, environment
from servers import HOST, free_port

SHORT_TASK_S = 0.3
"""Seconds of a task: trainings of a few seconds are interrupted."""


class Cluster:
    """A scheduler and workers, which end with the block; each logs into ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._started: list[subprocess.Popen[bytes]] = []
        self.address = f"tcp://{HOST}:{self._port}"
        self.scheduler = self.start_scheduler()

    def start_scheduler(self) -> "subprocess.Popen[bytes]":
        """Start the scheduler, as ``dask scheduler`` does, and wait until it listens."""
        options = ("--host", HOST, "--port", str(self._port), "--no-dashboard")
        self.scheduler = self._start(PROJECT, "distributed.cli.dask_scheduler", *options)
        wait_until(self._listens)
        return self.scheduler

    def start_worker(self, tree: Path = PROJECT, *options: str) -> "subprocess.Popen[bytes]":
        """Start ``fashionbench worker`` with the code below ``tree``, as one process."""
        command = ("fashionbench", "worker", self.address, "--no-nanny", "--no-dashboard")
        return self._start(tree, *command, *options)

    def start_plain_worker(self) -> "subprocess.Popen[bytes]":
        """Start Dask's own worker."""
        options = (self.address, "--no-nanny", "--no-dashboard", "--name", "plain")
        return self._start(PROJECT, "distributed.cli.dask_worker", *options)

    def wait_for_workers(self, number: int) -> None:
        """Wait until so many workers have joined."""
        with self._client() as client:
            client.wait_for_workers(number, timeout=PATIENCE_S)

    def is_idle(self) -> bool:
        """Tell whether no worker runs anything, and nothing waits."""
        with self._client() as client:
            # A lambda is sent as it is: workers cannot import this module.
            running = client.run(lambda dask_worker: dask_worker.state.executing_count)
            return not any(running.values()) and not any(client.processing().values())

    def log(self) -> str:
        """Return what all processes have printed."""
        return "".join(path.read_text() for path in sorted(self._folder.glob("*.log")))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            kill(process)

    def _client(self) -> Any:
        return Client(self.address, set_as_default=False)

    def _listens(self) -> bool:
        assert self.scheduler.poll() is None, self.log()
        with suppress(OSError):
            socket.create_connection((HOST, self._port), timeout=1).close()
            return True
        return False

    def _start(self, tree: Path, *command: str) -> "subprocess.Popen[bytes]":
        here = self._folder / str(len(self._started))
        here.mkdir(parents=True)
        env = environment() | {
            "PYTHONPATH": str(tree / "src"),
            "DASK_TEMPORARY_DIRECTORY": str(here),
        }
        with (self._folder / f"{here.name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *command], cwd=here, env=env, stdout=log, stderr=log
            )
        self._started.append(process)
        return process


def kill(process: "subprocess.Popen[bytes]") -> None:
    """``kill -9``, also of a process that is stopped."""
    process.send_signal(signal.SIGKILL)
    process.wait()


def on_cluster(repository: Repository, cluster: Cluster) -> Repository:
    """Return a repository whose commands train on a cluster, in short tasks."""
    variables = {
        **repository.variables,
        "DASK_SCHEDULER_ADDRESS": cluster.address,
        "DASK_FASHIONBENCH__TASK_SECONDS": str(SHORT_TASK_S),
    }
    return replace(repository, variables=variables)


def copy_code(repository: Repository, folder: Path) -> Path:
    """Copy the code of a repository into a folder of its own, as another machine would have it."""
    shutil.copytree(repository.path / "src", folder / "src")
    return folder
