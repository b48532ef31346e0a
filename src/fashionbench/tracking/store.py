"""Where MLflow keeps the runs, and how several processes write there without harm.

The store is MLFLOW_TRACKING_URI if that is set, else ``mlflow.db`` at the top of the repository,
which DVC names in DVC_ROOT also for experiments that it runs in a temporary copy.
"""

import fcntl
import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from fashionbench.paths import SCRATCH_DIR, repository_folder
from fashionbench.tracking.address import store_address

EXPERIMENT = "fashionbench"

KIND = {"mlflow.experimentKind": "custom_model_development"}
"""The tag with which MLflow's pages open with runs and models instead of prompts and traces."""

FAILURES = (MlflowException, SQLAlchemyError, OSError)
"""What comes of a store that is away, full or read-only."""

_log = logging.getLogger(__name__)


def warn(error: Exception | str) -> None:
    """Say once more that MLflow does not learn of something, and why."""
    _log.warning(
        f"MLflow cannot be told of this stage, which goes on without it ({without_password(error)})"
        "; the next dvc repro makes up for it"
    )


def without_password(error: Exception | str) -> str:
    """What MLflow says, in one line and without the name and password that an address may carry."""
    return re.sub(r"//[^/\s]*@", "//***@", " ".join(str(error).split()))[:200]


@contextmanager
def locked_store() -> Iterator[tuple[MlflowClient, str]]:
    """A client, and the id of the experiment, which is created if this is the first run.

    Of processes that share an SQLite file, or a repository, one at a time is in this block: none
    creates the tables while another does, and none looks for a run that another is about to create.
    The system takes back the lock of a process that ends, in whatever way.
    """
    uri, database = store_address()
    lock = repository_folder() / SCRATCH_DIR / "mlflow.lock"
    if database:
        lock = database.with_name(f"{database.name}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield _open(uri, (database.parent / "mlartifacts").as_uri() if database else None)


def _open(uri: str, artifacts: str | None) -> tuple[MlflowClient, str]:
    """``artifacts`` is where a new experiment keeps them; None: its server decides."""
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
    mlflow.set_tracking_uri(uri)
    client = MlflowClient()
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment:
        return client, str(experiment.experiment_id)
    try:
        created = client.create_experiment(EXPERIMENT, artifacts, tags=KIND)
        return client, str(created)
    except MlflowException:
        # Another machine created it at the same moment.
        experiment = client.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            raise
        return client, str(experiment.experiment_id)


def now_ms() -> int:
    """The time as MLflow wants it: milliseconds since 1970."""
    return time.time_ns() // 1_000_000
