"""Access to the MLflow store, for one process at a time, and what is said when it fails.

The store is MLFLOW_TRACKING_URI if that is set, else ``mlflow.db`` in the repository's top folder.
DVC passes that folder as DVC_ROOT, also to experiments that it runs in a temporary copy. Whatever
goes wrong in a call to MLflow is the store's failure (StoreError), and nothing else is.
"""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from textwrap import shorten
from typing import Any, cast
from urllib.parse import quote

import mlflow
import psutil
import sqlalchemy
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from mlflow import MlflowClient
from mlflow.entities import LifecycleStage
from mlflow.exceptions import MlflowException
from sqlalchemy import URL, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from fashionbench.errors import FashionbenchError, StoreError
from fashionbench.paths import SCRATCH_DIR, repository_folder, study
from fashionbench.pipeline.dependencies import digest
from fashionbench.pipeline.stage_lock import exclusive
from fashionbench.tracking.address import (
    EXPERIMENT,
    artifacts_folder,
    remember_experiment,
    store_address,
    without_password,
)
from fashionbench.tracking.private_tables import relocate, versions_in

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
_TIMEOUTS = {
    "sqlite": "timeout",
    "postgresql": "connect_timeout",
    "mysql": "connect_timeout",
    "mssql": "timeout",
}
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
        _check_place(database)
        lock = database.with_name(f"{database.name}.lock")
    with ExitStack() as held:
        with store_calls():
            lock.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(exclusive(lock))
            client = _connect(uri, database)
            if database and relocate(database, experiment_name()):
                _log.info(
                    "the project has been moved: MLflow now finds its files in their new place"
                )
            experiment = _experiment(client, database)
            if not study():
                remember_experiment(uri, experiment)
        yield guarded(client), experiment


def store_to_read() -> MlflowClient:
    """Return a client of a store that exists, and write nothing. Raises StoreError without one."""
    uri, database = store_address()
    with store_calls():
        return guarded(_connect(uri, database, may_be_empty=False))


def experiment_name() -> str:
    """Return the name of the experiment to which the pipeline in the current folder logs."""
    return STUDIES_EXPERIMENT if study() else EXPERIMENT


def _connect(uri: str, database: Path | None, *, may_be_empty: bool = True) -> MlflowClient:
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It prints the traceback of each error of a database, which becomes one line here.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    check_store(uri, database, may_be_empty=may_be_empty)
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
    if database and not database.is_file():
        _check_place(database)
        if may_be_empty:
            return
        raise StoreError(f"there is no {database}", MISSING[0])
    kind = uri.partition(":")[0].partition("+")[0]
    if uri in _usable or kind not in _TIMEOUTS:
        return
    url = sqlalchemy.make_url(uri)
    if database:
        only_read = {"mode": "ro", "uri": "true"}
        url = URL.create("sqlite", database=f"file:{quote(str(database))}", query=only_read)
    timeout = {_TIMEOUTS[kind]: _number("MLFLOW_HTTP_REQUEST_TIMEOUT", 10)}
    retries = _number("MLFLOW_HTTP_REQUEST_MAX_RETRIES", 1)
    engine = sqlalchemy.create_engine(url, poolclass=NullPool, connect_args=timeout)
    for left in reversed(range(1 + retries)):
        try:
            with engine.connect() as connection:
                revision = MigrationContext.configure(connection).get_current_revision()
            break
        except SQLAlchemyError:
            if not left:
                raise
    if revision:
        _check_revision(engine, without_password(uri), revision)
        _usable.add(uri)
    elif not may_be_empty:
        raise StoreError(f"{without_password(uri)} is empty", MISSING[0])


def _check_place(database: Path) -> None:
    """Raise StoreError where no file of a database can be; MLflow would try for minutes."""
    if database.is_dir():
        raise StoreError(f"{database} is a folder; move it away, or correct MLFLOW_TRACKING_URI")
    if database.is_symlink() and not database.exists():
        raise StoreError(f"{database} is a link to nothing; remove it, or make what it names")


def _number(variable: str, default: int) -> int:
    text = os.environ.get(variable, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise StoreError(f"{variable} = {text!r}: must be a whole number from 0 on")
    return int(text)


def _check_revision(engine: Engine, uri: str, revision: str) -> None:
    """Raise StoreError unless the tables of a database are those of the installed MLflow."""
    migrations = ScriptDirectory(str(Path(mlflow.__file__).parent / "store" / "db_migrations"))
    if revision in migrations.get_heads():
        return
    here, writers = version("mlflow"), versions_in(engine)
    if revision in {known.revision for known in migrations.walk_revisions()}:
        age, remedy = "older", f"make a copy of it, then run mlflow db upgrade {uri}"
    else:
        age, remedy = "newer", f"pip install 'mlflow>{here}', or set MLFLOW_TRACKING_URI to another"
        remedy += " store, which dvc repro fills"
    runs = f", and its runs are of MLflow {', '.join(writers)}" if writers else ""
    raise StoreError(
        f"the MLflow that made {uri} is {age} than the installed {here} (its tables are those of "
        f"revision {revision}{runs}); {remedy}"
    )


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
        message = shorten(without_password(error), _LONGEST, placeholder=" ...")
        message = message or type(error).__name__
        raise StoreError(message, str(getattr(error, "error_code", ""))) from error


class _Guarded:
    def __init__(self, client: MlflowClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return store_calls()(getattr(self._client, name))


def guarded(client: MlflowClient) -> MlflowClient:
    """Return a client whose methods raise StoreError and no other error."""
    return cast(MlflowClient, _Guarded(client))


def warn(error: Exception | str) -> None:
    """Warn that the results of this stage are not in MLflow, and why."""
    _log.warning(
        f"cannot log this stage to MLflow ({without_password(error)}); the stage goes on, and "
        "after that is fixed the next dvc repro adds what is missing"
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


def network_file_system(file: Path) -> str:
    """Return the kind of network disk that a file lies on; empty for a local one."""
    mounted = {Path(disk.mountpoint): disk.fstype for disk in psutil.disk_partitions(all=True)}
    # The deepest folder is the one that holds the file.
    above = next((folder for folder in file.resolve().parents if folder in mounted), None)
    return mounted[above] if above and mounted[above] in _NETWORK_DISKS else ""


def belongs_to_user(found: str | None, ours: str | None) -> bool:
    """Tell whether a text in MLflow has been written, changed or removed by its user.

    ``ours`` is the digest of what this package has written there last, None for nothing.
    """
    return found is not None if ours is None else found is None or digest(found) != ours
