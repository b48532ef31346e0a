"""Reads and changes tables of MLflow's databases, for what no call of MLflow's gives.

MLflow keeps absolute addresses of files, which a project that is moved leaves behind. And it never
says which MLflow a database was made by: it changes the tables of an older one as soon as it is
asked anything, and of a newer one it says that it is out of date.
"""

import sqlite3
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import mlflow
import sqlalchemy
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from packaging.version import InvalidVersion, Version
from sqlalchemy import Engine

from fashionbench.errors import StoreError
from fashionbench.tracking.address import artifacts_folder, local_folder

VERSION_TAG = "version.mlflow"
"""Tags a run with the version of the MLflow that has logged it."""

_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)
"""Tables and columns of MLflow's database that hold addresses of files."""
_MIGRATIONS = Path(mlflow.__file__).parent / "store" / "db_migrations"


def check_tables(engine: Engine, shown: str, *, may_be_empty: bool) -> bool:
    """Raise StoreError unless a database has the tables of the installed MLflow.

    Returns False if it has none, which raises too unless it ``may_be_empty``. ``shown`` is its
    address, to be shown to people. Raises an error of SQLAlchemy if it cannot be read.
    """
    with engine.connect() as connection:
        if not sqlalchemy.inspect(connection).has_table("alembic_version"):
            if may_be_empty:
                return False
            raise StoreError(f"{shown} is empty", "RESOURCE_DOES_NOT_EXIST")
        query = sqlalchemy.text("SELECT version_num FROM alembic_version")
        revision = str(connection.execute(query).scalar())
    migrations = ScriptDirectory(str(_MIGRATIONS))
    if revision in migrations.get_heads():
        return True
    raise StoreError(_mismatch(engine, shown, revision, is_older=_has(migrations, revision)))


def _has(migrations: ScriptDirectory, revision: str) -> bool:
    try:
        return migrations.get_revision(revision) is not None
    except CommandError:
        return False


def _mismatch(engine: Engine, shown: str, revision: str, *, is_older: bool) -> str:
    """Say which MLflow made a database, as far as that is known, and what helps."""
    here, writer = version("mlflow"), _writer(engine)
    is_known = writer and (Version(writer) < Version(here)) == is_older and writer != here
    maker = f"MLflow {writer}" if is_known else "another MLflow"
    if is_older:
        remedy = f"make a copy of it, then run mlflow db upgrade {shown}"
    else:
        package = f"mlflow=={writer}" if is_known else f"'mlflow>{here}'"
        remedy = (
            f"pip install {package}, or set MLFLOW_TRACKING_URI to another store, which dvc repro "
            "fills"
        )
    return (
        f"{shown} was made by {maker}, which is {'older' if is_older else 'newer'} than the "
        f"installed {here} (its tables are those of revision {revision}); {remedy}"
    )


def _writer(engine: Engine) -> str:
    """Return the newest MLflow that has logged a run to a database; empty if unknown."""
    tags = sqlalchemy.table("tags", sqlalchemy.column("key"), sqlalchemy.column("value"))
    query = sqlalchemy.select(tags.c.value).where(tags.c.key == VERSION_TAG).distinct()
    with engine.connect() as connection:
        found = connection.execute(query).scalars().all()
    try:
        return max(map(str, found), key=Version, default="")
    except InvalidVersion:  # Somebody has edited it.
        return ""


def relocate(database: Path, experiment: str) -> bool:
    """Make a store point to the files beside it if its project has been moved or copied.

    Returns whether anything was changed. The files of a store whose folder of artifacts was left
    behind stay where they are.
    """
    here = artifacts_folder(database)
    if not database.exists():
        return False
    with closing(sqlite3.connect(database, timeout=20)) as store, store:
        recorded = _recorded(store, experiment)
        there = local_folder(recorded) if recorded else None
        if there is None or there == here or there.name != here.name:
            return False
        if there.exists() and not here.exists():
            return False
        for table, column in _ADDRESSES:
            store.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                (here.as_uri(), len(recorded) + 1, recorded, len(recorded) + 1, f"{recorded}/"),
            )
    return True


def _recorded(store: sqlite3.Connection, experiment: str) -> str:
    """Return the address of the experiment's files; empty without an experiment."""
    try:
        row = store.execute(
            "SELECT artifact_location FROM experiments WHERE name = ?", (experiment,)
        ).fetchone()
    except sqlite3.OperationalError:  # No tables yet.
        return ""
    return str(row[0]) if row and row[0] else ""
