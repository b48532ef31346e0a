"""DVC's queue of experiments, which runs in processes of its own."""

import os
import signal
import subprocess
from contextlib import suppress

from interruptions import wait_until
from repositories import PATIENCE_S, Repository


def run_queue(repository: Repository, jobs: int) -> str:
    """Run what is queued, so many at a time; return what ``dvc queue status`` says in the end.

    DVC's workers keep the output of the command that starts them open, and may stay for ever when
    their work is done, if they miss the message that ends them: nothing here waits for their end.
    """
    subprocess.run(
        ["dvc", "queue", "start", "-j", str(jobs)],
        cwd=repository.path,
        env=repository.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=PATIENCE_S,
        check=True,
    )
    said = ""

    def is_done() -> bool:
        nonlocal said
        said = repository.run("dvc", "queue", "status").stdout
        return "Queued" not in said and "Running" not in said

    try:
        # To ask takes more than a second of a core, which the experiments need.
        wait_until(is_done, seconds=PATIENCE_S, pause=8)
    finally:
        _end_workers(repository)
    return said


def _end_workers(repository: Repository) -> None:
    """``kill -9`` of the workers and of what they started."""
    for path in repository.path.glob(".dvc/tmp/exps/celery/dvc-exp-worker-*.pid"):
        with suppress(ProcessLookupError):
            os.killpg(os.getpgid(int(path.read_text())), signal.SIGKILL)
