"""Access to the MLflow store, for one process at a time.

The store is MLFLOW_TRACKING_URI if that is set, else ``mlflow.db`` in the repository's top folder.
DVC passes that folder as DVC_ROOT, also to experiments that it runs in a temporary copy.
"""

import logging
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities import LifecycleStage
from mlflow.exceptions import MlflowException

from fashionbench.errors import StoreError
from fashionbench.paths import SCRATCH_DIR, repository_folder, study
from fashionbench.pipeline.file_locks import exclusive
from fashionbench.tracking.address import artifacts_folder, store_address
from fashionbench.tracking.calls import guarded, store_calls
from fashionbench.tracking.databases import check_database, check_folder, network_file_system
from fashionbench.tracking.relocation import relocate

EXPERIMENT = "fashionbench"
STUDIES_EXPERIMENT = f"{EXPERIMENT}-studies"
"""Apart, so that the thousands of runs of studies slow nothing else down."""

KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Makes MLflow's user interface show runs and models instead of prompts and traces."""

_log = logging.getLogger(__name__)


def warn(error: Exception | str) -> None:
    """Warn that the results of this stage are not in MLflow, and why."""
    _log.warning(
        f"cannot log this stage to MLflow ({without_password(error)}); it continues, and the next "
        "dvc repro adds what is missing"
    )


@cache
def warn_without_models() -> None:
    """Say once that a server shows everything but the models."""
    _log.warning(
        "this MLflow server is older than 3.0 and keeps no models by themselves: its runs are "
        "complete, and no model is registered; a newer server gets them with the next dvc repro"
    )


@cache
def warn_about_old_runs() -> None:
    """Say once that ``mlflow ui`` shows the runs of an old folder instead of the store."""
    _, database = store_address()
    if database and any(database.parent.glob("mlruns/[0-9]*/meta.yaml")):
        _log.warning(
            "mlruns/ holds runs of an earlier MLflow, and mlflow ui shows those instead of "
            f"{database.name}: move it away, or add --backend-store-uri sqlite:///{database.name}"
        )


@cache
def warn_about_network_disk() -> None:
    """Say once that a network disk is no place for an SQLite store."""
    _, database = store_address()
    if database and (kind := network_file_system(database)):
        _log.warning(
            f"{database.name} lies on a network disk ({kind}), where SQLite can damage it when two "
            "machines write at once: set MLFLOW_TRACKING_URI to a server if several do"
        )


def without_password(error: Exception | str) -> str:
    """Return a message of MLflow as one line, without user and password of any URL in it."""
    return re.sub(r"//[^/\s]*@", "//***@", " ".join(str(error).split()))[:200]


@contextmanager
def locked_store() -> Iterator[tuple[MlflowClient, str]]:
    """Yield a client and the experiment's id, with the store locked; create it if necessary.

    Processes that share an SQLite file or a repository exclude each other: otherwise two could
    create the tables at once, or one search for a run that the other is about to create. The
    operating system releases the lock of a process that ends, for whatever reason. Raises
    StoreError, and so do all methods of the client.
    """
    uri, database = store_address()
    lock = _lock_file(database)
    with ExitStack() as held:
        with store_calls():
            lock.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(exclusive(lock))
            if database and relocate(database, experiment_name()):
                _log.info(
                    "the project has been moved: MLflow now finds its files in their new place"
                )
            client = _connect(uri)
            experiment = _experiment(client, database)
        yield guarded(client), experiment


def store_to_read() -> MlflowClient:
    """Return a client of a store that exists, and write nothing. Raises StoreError without one."""
    uri, database = store_address()
    if database and not database.is_file():
        raise StoreError(f"there is no {database}")
    with store_calls():
        return guarded(_connect(uri))


def _lock_file(database: Path | None) -> Path:
    if database:
        return database.with_name(f"{database.name}.lock")
    return repository_folder() / SCRATCH_DIR / "mlflow.lock"


def _connect(uri: str) -> MlflowClient:
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It prints the traceback of each error of a database, which becomes one line here.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    check_folder(uri)
    check_database(uri)
    mlflow.set_tracking_uri(uri)
    return MlflowClient()


def experiment_name() -> str:
    """Return the name of the experiment to which the pipeline in the current folder logs."""
    return STUDIES_EXPERIMENT if study() else EXPERIMENT


def _experiment(client: MlflowClient, database: Path | None) -> str:
    """Return the id of the experiment: create it, or restore it if somebody has deleted it."""
    name = experiment_name()
    found = client.get_experiment_by_name(name)
    if found is None:
        # Where a server keeps its files is its own affair.
        artifacts = artifacts_folder(database).as_uri() if database else None
        try:
            return str(client.create_experiment(name, artifacts, tags=KIND))
        except MlflowException:
            # Another machine created it at the same moment.
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == LifecycleStage.DELETED:
        client.restore_experiment(found.experiment_id)
        _log.info(f"the experiment {name} had been deleted in MLflow: it is restored")
    return str(found.experiment_id)


def now_ms() -> int:
    """Return the time in milliseconds since 1970, as MLflow's metrics have it."""
    return time.time_ns() // 1_000_000
