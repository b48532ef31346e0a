"""The address of the MLflow store. Imports no MLflow, which takes seconds."""

import os
from pathlib import Path
from urllib.parse import quote, unquote

from fashionbench.paths import repository_folder

_SQLITE = "sqlite:///"


def store_address() -> tuple[str, Path | None]:
    """Return the URI of the store, and its file if it is SQLite.

    The URI is MLFLOW_TRACKING_URI if that is set. A relative SQLite path, as in MLflow's default,
    is resolved against the repository's top folder rather than the current one.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    if not uri.startswith(_SQLITE):
        return uri, None
    # SQLAlchemy decodes percent signs, and ``mlflow run`` quotes what else is not plain ASCII.
    database = repository_folder() / unquote(uri.removeprefix(_SQLITE))
    return f"{_SQLITE}{quote(str(database))}", database


def artifacts_folder(database: Path) -> Path:
    """Return the folder beside a SQLite store in which its runs and models keep their files."""
    return database.parent / "mlartifacts"
