"""DVC's queue of experiments, which runs in processes of its own."""

from interruptions import wait_until
from repositories import Repository


def wait_for_queue(repository: Repository) -> str:
    """What ``dvc queue status`` says when no experiment is waiting or running any more."""
    said = ""

    def is_done() -> bool:
        nonlocal said
        said = repository.run("dvc", "queue", "status").stdout
        return "Queued" not in said and "Running" not in said

    wait_until(is_done, seconds=300)
    return said
