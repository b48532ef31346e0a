"""Addresses of the saved views in MLflow. A local store needs no import of MLflow."""

import sqlite3
import sys
from contextlib import closing
from urllib.parse import quote

from fashionbench.errors import StoreError
from fashionbench.tracking.address import store_address

SCORES = "scores"
CHARTS = "charts"
LOCAL_SERVER = "http://127.0.0.1:5000"
"""Where ``mlflow ui`` answers unless it is told otherwise."""
_NAME = "fashionbench"


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
    if database is None:
        experiment = _ask_server()
        server = uri.rstrip("/") if uri.startswith("http") else LOCAL_SERVER
    else:
        experiment, server = _look_up(str(database)), LOCAL_SERVER
    return f"{server}/#{view_path(experiment, view)}" if experiment else None


def print_view_address() -> None:
    """Print how to get to the view of scores, if there is one."""
    if address := view_address():
        sys.stdout.write(f"then open {address}\n")


def _look_up(database: str) -> str | None:
    try:
        # Opened for reading, so that no empty file is left behind.
        with closing(sqlite3.connect(f"file:{quote(database)}?mode=ro", uri=True)) as store:
            query = "SELECT experiment_id FROM experiments WHERE name = ?"
            found = store.execute(query, (_NAME,)).fetchone()
    except sqlite3.Error:
        return None
    return str(found[0]) if found else None


def _ask_server() -> str | None:
    # Imported here: importing MLflow takes seconds.
    from fashionbench.tracking.store import store_to_read

    try:
        found = store_to_read().get_experiment_by_name(_NAME)
    except StoreError:
        return None
    return str(found.experiment_id) if found else None
