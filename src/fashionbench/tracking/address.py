"""Where MLflow's store and its saved views are. Imports no MLflow, which takes seconds."""

import os
import re
import sys
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote, unquote

from fashionbench.errors import StoreError
from fashionbench.files import replace_file
from fashionbench.paths import SCRATCH_DIR, repository_folder

SCORES = "scores"
CHARTS = "charts"
"""The keys of the saved views."""
LOCAL_SERVER = "http://127.0.0.1:5000"
"""Where ``mlflow ui`` answers unless it is told otherwise."""
EXPERIMENT = "fashionbench"

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


def without_password(error: Exception | str) -> str:
    """Return a message as one line, without user and password of any URL in it."""
    return re.sub(r"//[^/\s]*@", "//***@", " ".join(str(error).split()))


def artifacts_folder(database: Path) -> Path:
    """Return the folder beside a SQLite store in which its runs and models keep their files."""
    return database.parent / "mlartifacts"


def view_path(experiment: str, view: str) -> str:
    """Return the part of a view's address after the ``#``; ``experiment`` is an id.

    The pages choose between training and generative AI by the address, too.
    """
    query = f"viewStateShareKey={view}&workflowType=machine_learning"
    mode = "&compareRunsMode=CHART" if view == CHARTS else ""
    return f"/experiments/{experiment}/runs?{query}{mode}"


def view_address(view: str = SCORES) -> str | None:
    """Return the address of a view; None if nothing has been logged, or nobody answers."""
    uri, database = store_address()
    if database and not database.is_file():
        return None
    experiment = _remembered(uri) or _ask()
    # Without user and password, for which a browser asks.
    server = re.sub(r"//[^/]*@", "//", uri).rstrip("/") if uri.startswith("http") else LOCAL_SERVER
    return f"{server}/#{view_path(experiment, view)}" if experiment else None


def print_view_addresses() -> None:
    """Print how to get to the saved views, if there are any."""
    if scores := view_address(SCORES):
        sys.stdout.write(f"Scores: {scores}\nCurves: {view_address(CHARTS)}\n")


def remember_experiment(uri: str, experiment: str) -> None:
    """Keep the id of the experiment in a store, so that its address is known without MLflow."""
    if _remembered(uri) != experiment:
        replace_file(_file(uri), experiment.encode())


def _remembered(uri: str) -> str:
    file = _file(uri)
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _file(uri: str) -> Path:
    """Return a file that is named by a digest of the URI, which may hold a password."""
    name = f"experiment-{sha256(uri.encode()).hexdigest()[:12]}"
    return repository_folder() / SCRATCH_DIR / name


def _ask() -> str:
    # Imported here: importing MLflow takes seconds.
    from fashionbench.tracking.store import store_to_read

    try:
        found = store_to_read().get_experiment_by_name(EXPERIMENT)
    except StoreError:
        return ""
    return str(found.experiment_id) if found else ""
