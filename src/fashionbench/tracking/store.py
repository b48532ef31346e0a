"""Where MLflow keeps the runs, and the names under which it keeps them.

The store is MLFLOW_TRACKING_URI if that is set, else ``mlflow.db`` at the top of the repository,
which DVC names in DVC_ROOT also for experiments that it runs in a temporary copy.
"""

import hashlib
import json
import logging
import os
import re
import time
from dataclasses import asdict

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from fashionbench.dependencies import Dependencies
from fashionbench.results import repository_folder
from fashionbench.training import Replicate

EXPERIMENT = "fashionbench"
NETWORK_TAG = "fashionbench.network"
SEED_TAG = "fashionbench.seed"
KEY_TAG = "fashionbench.key"
"""Of a replicate: what :func:`replicate_key` has of it."""
DIVERGED_TAG = "fashionbench.diverged"
"""Of a replicate whose loss was no longer a finite number: when that was."""
MODEL_SEED_TAG = "fashionbench.model_seed"
WEIGHTS_TAG = "fashionbench.weights_sha256"
LAUNCHER_TAG = "mlflow_run.id"
"""Of a run made below ``mlflow run``: the id of the run that started the pipeline."""

FAILURES = (MlflowException, SQLAlchemyError, OSError)
"""What comes of a store that is away, full or read-only."""

_SQLITE = "sqlite:///"

_log = logging.getLogger(__name__)


def warn(error: Exception | str) -> None:
    """Say once more that MLflow does not learn of something, and why."""
    # An address may carry a user's name and password.
    reason = re.sub(r"//[^/\s]*@", "//***@", " ".join(str(error).split()))[:200]
    _log.warning(f"MLflow cannot be told of this stage, which goes on without it ({reason})")


def open_store() -> tuple[MlflowClient, str]:
    """A client, and the id of the experiment, which is created if this is the first run."""
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
    uri, artifacts = _store()
    mlflow.set_tracking_uri(uri)
    client = MlflowClient()
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment:
        return client, str(experiment.experiment_id)
    try:
        return client, client.create_experiment(EXPERIMENT, artifact_location=artifacts)
    except MlflowException:
        # Another stage created it at the same moment.
        experiment = client.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            raise
        return client, str(experiment.experiment_id)


def _store() -> tuple[str, str | None]:
    """Where runs go, and where a new experiment keeps its artifacts (None: its server decides).

    A relative SQLite file, MLflow's own default among them, is one below the repository's top and
    not below the folder that a stage happens to run in.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    if not uri.startswith(_SQLITE):
        return uri, None
    database = repository_folder() / uri.removeprefix(_SQLITE)
    return f"{_SQLITE}{database}", (database.parent / "mlartifacts").as_uri()


def replicate_key(replicate: Replicate, dependencies: Dependencies) -> str:
    """A digest of all that makes a replicate what it is: its parameters, seed, data and code.

    ``dependencies`` are those of the stage that trains the replicate's network.
    """
    files = {str(path): digest for path, digest in dependencies.files.items()}
    facts = json.dumps([asdict(replicate), files], sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()


def now_ms() -> int:
    """The time as MLflow wants it: milliseconds since 1970."""
    return time.time_ns() // 1_000_000
