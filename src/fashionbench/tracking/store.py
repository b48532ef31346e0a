"""Access to the MLflow store, for one process at a time, and what is said when it fails.

The store is MLFLOW_TRACKING_URI if that is set, else ``mlflow.db`` in the repository's top folder.
DVC passes that folder as DVC_ROOT, also to experiments that it runs in a temporary copy. Whatever
goes wrong in a call to MLflow is the store's failure (StoreError), and nothing else is.
"""

import logging
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial, wraps
from pathlib import Path
from textwrap import shorten
from typing import Any, cast
from urllib.parse import quote

import mlflow
import sqlalchemy
from mlflow import MlflowClient
from mlflow.entities import LifecycleStage
from mlflow.exceptions import MlflowException
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from fashionbench.errors import FashionbenchError, StoreError
from fashionbench.paths import SCRATCH_DIR, repository_folder, study
from fashionbench.pipeline.stage_lock import exclusive
from fashionbench.tracking.address import (
    EXPERIMENT,
    artifacts_folder,
    remember_experiment,
    store_address,
)
from fashionbench.tracking.private_tables import check_tables, relocate

STUDIES_EXPERIMENT = f"{EXPERIMENT}-studies"
"""Apart, so that the thousands of runs of studies slow nothing else down."""
KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Makes MLflow's user interface show runs and models instead of prompts and traces."""
MISSING = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")
"""How MLflow says that something is not there."""

_PACKAGES = {
    "boto3": "boto3",
    "botocore": "boto3",
    "google": "google-cloud-storage",
    "azure": "azure-storage-blob azure-identity",
    "MySQLdb": "mysqlclient",
    "psycopg2": "psycopg2-binary",
    "psycopg": "psycopg[binary]",
}
"""What to install for a module that a store of another kind needs, if it has another name."""
_TIMEOUTS = {"postgresql": "connect_timeout", "mysql": "connect_timeout", "mssql": "timeout"}
"""How each database's drivers call the seconds after which they give up."""
_NETWORK_DISKS = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "lustre", "fuse.sshfs")
"""As Linux names the file systems whose locks SQLite cannot rely on (sqlite.org/faq.html, 5)."""
_LONGEST = 400
"""Characters of a message, which may hold all that a database was asked to write."""

_usable: set[str] = set()
_log = logging.getLogger(__name__)


@contextmanager
def locked_store() -> Iterator[tuple[MlflowClient, str]]:
    """Yield a client and the experiment's id, with the store locked; create it if necessary.

    Processes that share an SQLite file or a repository exclude each other: otherwise two could
    create the tables at once, or one search for a run that the other is about to create. The
    operating system releases the lock of a process that ends, for whatever reason. Raises
    StoreError, and so do all methods of the client.
    """
    uri, database = store_address()
    lock = repository_folder() / SCRATCH_DIR / "mlflow.lock"
    if database:
        lock = database.with_name(f"{database.name}.lock")
    with ExitStack() as held:
        with store_calls():
            lock.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(exclusive(lock))
            check_store(uri, database)
            if database and relocate(database, experiment_name()):
                _log.info(
                    "the project has been moved: MLflow now finds its files in their new place"
                )
            client = _connect(uri)
            experiment = _experiment(client, database)
            if not study():
                remember_experiment(uri, experiment)
        yield guarded(client), experiment


def store_to_read() -> MlflowClient:
    """Return a client of a store that exists, and write nothing. Raises StoreError without one."""
    uri, database = store_address()
    with store_calls():
        check_store(uri, database, may_be_empty=False)
        return guarded(_connect(uri))


def experiment_name() -> str:
    """Return the name of the experiment to which the pipeline in the current folder logs."""
    return STUDIES_EXPERIMENT if study() else EXPERIMENT


def _connect(uri: str) -> MlflowClient:
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It prints the traceback of each error of a database, which becomes one line here.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    mlflow.set_tracking_uri(uri)
    return MlflowClient()


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


def check_store(uri: str, database: Path | None = None, *, may_be_empty: bool = True) -> None:
    """Raise StoreError or an error of the driver unless MLflow can use the store of a URI.

    A database must answer in time, and have the tables of the installed MLflow, or none if it
    ``may_be_empty``. Asked itself, MLflow would try ten times, for a minute and a half, and would
    change the tables of an older one. The variables that limit MLflow's waiting for a server limit
    this too. ``database`` is the file of an SQLite store. Once a database has answered, and for a
    server, this does nothing.
    """
    is_folder = uri.startswith(("file:", ".", "/", "~")) or uri == "mlruns"
    if is_folder and os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() not in ("true", "1"):
        raise StoreError(
            f"{uri} is a folder, and MLflow 3 keeps runs in databases; set MLFLOW_TRACKING_URI to "
            "one (sqlite:///mlflow.db) or to a server"
        )
    if database and not database.is_file():
        if may_be_empty:
            return
        raise StoreError(f"there is no {database}", MISSING[0])
    kind = uri.partition(":")[0].partition("+")[0]
    if uri in _usable or not (database or kind in _TIMEOUTS):
        return
    engine, shown, tries = _engine_to_read(uri, database)
    for left in reversed(range(tries)):
        try:
            if check_tables(engine, shown, may_be_empty=may_be_empty):
                _usable.add(uri)
            return
        except SQLAlchemyError:
            if not left:
                raise


def _engine_to_read(uri: str, database: Path | None) -> tuple[Engine, str, int]:
    """Return a way to read a database, its address without password, and how often to try."""
    if database:
        address = f"file:{quote(str(database))}?mode=ro"
        connect = partial(sqlite3.connect, address, uri=True, timeout=20)
        engine = sqlalchemy.create_engine("sqlite://", creator=connect, poolclass=NullPool)
        return engine, uri, 1
    timeout = _TIMEOUTS[uri.partition(":")[0].partition("+")[0]]
    seconds = int(os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT", "10"))
    tries = 1 + int(os.environ.get("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1"))
    engine = sqlalchemy.create_engine(uri, poolclass=NullPool, connect_args={timeout: seconds})
    return engine, engine.url.render_as_string(), tries


@contextmanager
def store_calls() -> Iterator[None]:
    """Raise StoreError for any error of MLflow, or of a library that it uses, in this block.

    Databases, object stores and HTTP each have errors of their own, and MLflow passes them on.
    """
    try:
        yield
    except FashionbenchError:
        raise
    except ImportError as error:
        module = (error.name or "").partition(".")[0]
        package = _PACKAGES.get(module, module)
        remedy = f"; pip install {package}" if package else ""
        raise StoreError(f"{error}{remedy}") from error
    except Exception as error:
        message = shorten(str(error), _LONGEST, placeholder=" ...") or type(error).__name__
        raise StoreError(message, str(getattr(error, "error_code", ""))) from error


class _Guarded:
    """A client whose methods raise StoreError and no other error."""

    def __init__(self, client: MlflowClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        method: Callable[..., Any] = getattr(self._client, name)

        @wraps(method)
        def call(*arguments: Any, **options: Any) -> Any:
            with store_calls():
                return method(*arguments, **options)

        return call


def guarded(client: MlflowClient) -> MlflowClient:
    """Return a client whose methods raise StoreError and no other error."""
    return cast(MlflowClient, _Guarded(client))


def without_password(error: Exception | str) -> str:
    """Return a message of MLflow as one line, without user and password of any URL in it."""
    return re.sub(r"//[^/\s]*@", "//***@", " ".join(str(error).split()))


def warn(error: Exception | str) -> None:
    """Warn that the results of this stage are not in MLflow, and why."""
    _log.warning(
        f"cannot log this stage to MLflow ({without_password(error)}); it continues, and once that "
        "is mended the next dvc repro adds what is missing"
    )


@cache
def warn_without_models() -> None:
    """Say once that a server shows everything but the models."""
    _log.warning(
        "this MLflow server is older than 3.0 and keeps no models by themselves: its runs are "
        "complete, and no model is registered; a newer server gets them with the next dvc repro"
    )


@cache
def warn_about_surroundings() -> None:
    """Say once what may lead astray: an old folder that ``mlflow ui`` prefers, a network disk."""
    _, database = store_address()
    if database is None:
        return
    if any(database.parent.glob("mlruns/[0-9]*/meta.yaml")):
        _log.warning(
            "mlruns/ holds runs of an earlier MLflow, and mlflow ui shows those instead of "
            f"{database.name}: move it away, or add --backend-store-uri sqlite:///{database.name}"
        )
    if kind := network_file_system(database):
        _log.warning(
            f"{database.name} lies on a network disk ({kind}), where SQLite can damage it when two "
            "machines write at once: set MLFLOW_TRACKING_URI to a server if several do"
        )


def network_file_system(file: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """Return the kind of network disk that a file lies on; empty for a local one, or if unknown.

    ``mounts`` lists file systems as Linux does: see fstab(5).
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    # Later ones hide earlier ones, and the deepest folder is the one that holds the file.
    kinds = {
        Path(point.replace("\\040", " ")): kind for _, point, kind, *_ in map(str.split, lines)
    }
    above = next((folder for folder in file.resolve().parents if folder in kinds), None)
    kind = kinds[above] if above else ""
    return kind if kind in _NETWORK_DISKS else ""


def now_ms() -> int:
    """Return the time in milliseconds since 1970, as MLflow's metrics have it."""
    return time.time_ns() // 1_000_000
