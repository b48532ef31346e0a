"""Reads and changes tables of MLflow's database, for what no call of MLflow's gives.

MLflow keeps absolute addresses of files, which a project that is moved leaves behind; and the
installed MLflow cannot open the database of another version to find out which one wrote it.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sqlalchemy import Engine, column, select, table

from fashionbench.tracking.address import artifacts_folder

VERSION_TAG = "version.mlflow"
"""Tags a run with the version of the MLflow that has logged it."""
_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)
"""Tables and columns of MLflow's database that hold addresses of files."""


def relocate(database: Path, experiment: str) -> bool:
    """Make a store point to the files beside it if its project has been moved or copied.

    Returns whether anything was changed. The files of a store whose folder of artifacts was left
    behind stay where they are.
    """
    here = artifacts_folder(database)
    if not database.exists():
        return False
    with closing(sqlite3.connect(database, timeout=20)) as store, store:
        try:
            query = "SELECT artifact_location FROM experiments WHERE name = ?"
            (recorded,) = store.execute(query, (experiment,)).fetchone() or ("",)
        except sqlite3.OperationalError:  # No tables yet.
            return False
        there = Path(unquote(urlsplit(recorded).path))
        is_ours = recorded.startswith("file:") and there.name == here.name
        if not is_ours or there == here or (there.exists() and not here.exists()):
            return False
        for table, column in _ADDRESSES:
            store.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                (here.as_uri(), len(recorded) + 1, recorded, len(recorded) + 1, f"{recorded}/"),
            )
    return True


def versions_in(engine: Engine) -> list[str]:
    """Return the versions of MLflow that have logged this package's runs to a database."""
    tags = table("tags", column("key"), column("value"))
    query = select(tags.c.value).where(tags.c.key == VERSION_TAG).distinct()
    with engine.connect() as connection:
        return sorted(connection.execute(query).scalars())
