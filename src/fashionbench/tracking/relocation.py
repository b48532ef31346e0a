"""Lets a store follow its project: MLflow keeps absolute addresses of files."""

import sqlite3
from contextlib import closing
from pathlib import Path

from fashionbench.tracking.address import artifacts_folder
from fashionbench.tracking.artifacts import local_folder

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
