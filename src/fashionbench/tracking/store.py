"""Access to the MLflow store, for one process at a time.

The store is MLFLOW_TRACKING_URI if that is set, else ``mlflow.db`` in the repository's top folder.
DVC passes that folder as DVC_ROOT, also to experiments that it runs in a temporary copy.
"""

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from fashionbench.paths import SCRATCH_DIR, repository_folder
from fashionbench.tracking.address import store_address

EXPERIMENT = "fashionbench"

KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Makes MLflow's user interface show runs and models instead of prompts and traces."""

FAILURES = (MlflowException, SQLAlchemyError, OSError)
"""Raised for a store that is unreachable, full or read-only."""

_log = logging.getLogger(__name__)


def warn(error: Exception | str) -> None:
    """Warn that the results of this stage are not in MLflow, and why."""
    _log.warning(
        f"cannot log this stage to MLflow ({without_password(error)}); it continues, and the next "
        "dvc repro adds what is missing"
    )


def without_password(error: Exception | str) -> str:
    """Return a message of MLflow as one line, without user and password of any URL in it."""
    return re.sub(r"//[^/\s]*@", "//***@", " ".join(str(error).split()))[:200]


@contextmanager
def locked_store() -> Iterator[tuple[MlflowClient, str]]:
    """Yield a client and the experiment's id, with the store locked; create it if necessary.

    Processes that share an SQLite file or a repository exclude each other: otherwise two could
    create the tables at once, or one search for a run that the other is about to create. The
    operating system releases the lock of a process that ends, for whatever reason.
    """
    uri, database = store_address()
    lock = repository_folder() / SCRATCH_DIR / "mlflow.lock"
    if database:
        lock = database.with_name(f"{database.name}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        yield _open(uri, (database.parent / "mlartifacts").as_uri() if database else None)


def _open(uri: str, artifacts: str | None) -> tuple[MlflowClient, str]:
    """``artifacts`` is the artifact location of a new experiment, None for the server's default."""
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
    """Return the time in milliseconds since 1970, as MLflow's metrics have it."""
    return time.time_ns() // 1_000_000
