"""Where MLflow keeps the runs. Imports no MLflow, which takes seconds."""

import os
from pathlib import Path

from fashionbench.paths import repository_folder

_SQLITE = "sqlite:///"


def store_address() -> tuple[str, Path | None]:
    """Return the address of the store, and its file if it is an SQLite one.

    A relative SQLite file, MLflow's own default among them, is one below the repository's top and
    not below the folder that a stage happens to run in.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    if not uri.startswith(_SQLITE):
        return uri, None
    database = repository_folder() / uri.removeprefix(_SQLITE)
    return f"{_SQLITE}{database}", database
