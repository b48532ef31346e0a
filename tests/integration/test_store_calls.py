"""Whatever goes wrong in MLflow is the store's failure, in one line, and nothing else is."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import mlflow
import psutil
import pytest
import sqlalchemy
from alembic import command
from alembic.config import Config
from mlflow.store.tracking.dbmodels.initial_models import Base as InitialBase
from servers import HOST, free_port, silent_server
from sqlalchemy.pool import NullPool

from fashionbench.errors import DataError, StoreError
from fashionbench.tracking.registry import keeps_models, load_champion
from fashionbench.tracking.store import (
    check_store,
    guarded,
    locked_store,
    network_file_system,
    store_calls,
)

MIGRATIONS = Path(mlflow.__file__).parent / "store" / "db_migrations"


class NoCredentialsError(Exception):
    """As boto3 has one, which is neither MLflow's nor the system's."""


class Failing:
    """A client whose every call fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def _fail(self, *_: object, **__: object) -> None:
        raise self._error

    search_runs = search_logged_models = _fail


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (NoCredentialsError(), "^NoCredentialsError$"),
        (ModuleNotFoundError("No module named 'psycopg2'", name="psycopg2"), "psycopg2-binary$"),
        (ModuleNotFoundError("No module named 'pymysql'", name="pymysql"), "; pip install pymysql"),
        (PermissionError(13, "Permission denied"), "Permission denied"),
    ],
)
def test_an_error_of_any_library_becomes_one_of_the_store(error: Exception, says: str) -> None:
    with pytest.raises(StoreError, match=says), store_calls():
        raise error


def test_errors_of_this_project_and_interruptions_stay_what_they_are() -> None:
    for error in (DataError("a table is missing"), KeyboardInterrupt()):
        with pytest.raises(type(error)), store_calls():
            raise error


def test_every_method_of_a_client_is_guarded() -> None:
    failing = Failing(NoCredentialsError("Unable to locate credentials"))
    client = guarded(failing)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="Unable to locate credentials"):
        client.search_runs([])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, with a short patience."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("mysql+pymysql://me@localhost/runs", "No module named 'pymysql'; pip install pymysql"),
        ("postgresql+psycopg2://me@127.0.0.1:1/runs", "refused"),
        ("gopher://localhost", "gopher"),
        ("sqlite:///", "is a folder; move it away, or correct MLFLOW_TRACKING_URI"),
        ("sqlite:///link.db", "link.db is a link to nothing; remove it"),
        ("./mlruns", r"migrate to a database backend \(.*sqlite:///mlflow.db"),
    ],
)
def test_a_store_that_cannot_be_opened_is_a_store_error(
    monkeypatch: pytest.MonkeyPatch, uri: str, says: str
) -> None:
    Path("link.db").symlink_to("nothing.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(StoreError, match=says), locked_store():
        pass
    assert not Path(f"{Path().resolve()}.lock").exists()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("value", ["-1", "abc", ""])
def test_a_patience_that_is_no_number_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", value)
    with pytest.raises(StoreError, match=rf"MAX_RETRIES = '{value}': must be a whole number"):
        check_store("postgresql+psycopg2://me@127.0.0.1:1/runs")


@pytest.mark.usefixtures("folder")
def test_a_database_that_is_silent_or_away_is_left_after_two_tries() -> None:
    with silent_server() as silent:
        for address in (silent.removeprefix("http://"), f"{HOST}:{free_port()}"):
            start = time.monotonic()
            with pytest.raises(StoreError), store_calls():
                check_store(f"postgresql+psycopg2://me:secret@{address}/runs")
            # libpq takes no less than two seconds.
            assert time.monotonic() - start < 8


def made_until(revision: str, mlflow: str) -> None:
    """Make a store as MLflow's own migrations leave it at a revision, with a run in it."""
    engine = sqlalchemy.create_engine("sqlite:///mlflow.db", poolclass=NullPool)
    InitialBase.metadata.create_all(engine)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    with closing(sqlite3.connect("mlflow.db")) as store, store:
        store.execute("INSERT INTO runs (run_uuid) VALUES ('a')")
        tag = ("version.mlflow", mlflow, "a")
        store.execute("INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)", tag)


def older(revision: str, mlflow: str) -> str:
    """Make a store of an older MLflow."""
    made_until(revision, mlflow)
    return (
        rf"the MLflow that made .*mlflow.db is older than the installed .* revision {revision}, "
        rf"and its runs are of MLflow {mlflow}\); make a copy of it, then run mlflow db upgrade sqlite:///.*/mlflow.db$"
    )


def newer() -> str:
    """Make a store of a newer MLflow, whose last migration is not installed."""
    made_until("head", "99.1")
    with closing(sqlite3.connect("mlflow.db")) as store, store:
        store.execute("UPDATE alembic_version SET version_num = 'f00d'")
    return r"is newer than the installed .* revision f00d.* 99.1\); pip install 'mlflow>3"


def empty() -> str:
    """Make an empty file, as a client that was interrupted leaves it."""
    Path("mlflow.db").touch()
    return "mlflow.db is empty"


def garbage() -> str:
    """Make a file that is no database."""
    Path("mlflow.db").write_text("no database" * 100)
    return "file is not a database"


@pytest.mark.parametrize(
    ("make", "may_be_filled"),
    [
        # Of MLflow 1.0, 2.22 and 3.1.
        (partial(older, "181f10493468", "1.0.0"), False),
        (partial(older, "0584bdc529eb", "2.22.0"), False),
        (partial(older, "6953534de441", "3.1.0"), False),
        (newer, False),
        (empty, True),
        (garbage, False),
        (lambda: "there is no .*mlflow.db", True),
    ],
)
def test_a_store_of_another_mlflow_or_of_none_is_not_touched_by_reading(
    folder: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[], str], may_be_filled: bool
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    says = make()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(DataError, match=says) as caught:
        load_champion(None)
    assert str(caught.value).endswith("run dvc repro") == may_be_filled
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    if may_be_filled:
        with locked_store() as (client, experiment):
            assert client.get_experiment(experiment).name == "fashionbench"
    else:
        with pytest.raises(StoreError, match=says), locked_store():
            pass
        assert (folder / "mlflow.db").read_bytes() == before["mlflow.db"]


def test_an_older_store_is_used_once_it_is_upgraded_as_the_message_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    older("6953534de441", "3.1.0")
    with pytest.raises(StoreError) as caught, locked_store():
        pass
    typed = str(caught.value).partition("then run ")[2].split()
    assert typed[:3] == ["mlflow", "db", "upgrade"]
    subprocess.run([sys.executable, "-m", *typed], check=True, capture_output=True)
    with locked_store() as (client, experiment):
        assert client.get_experiment(experiment).name == "fashionbench"
        assert not list(folder.glob("mlruns"))


def test_a_server_that_knows_no_models_by_themselves_is_told_from_one_that_fails() -> None:
    missing = "API request to endpoint /logged-models/search failed with error code 404 != 200."
    assert not keeps_models(Failing(StoreError(missing)), "1")  # type: ignore[arg-type]
    failing = Failing(StoreError("failed with error code 500, in line 404"))
    with pytest.raises(StoreError, match="500"):
        keeps_models(failing, "1")  # type: ignore[arg-type]


def test_a_network_disk_is_known_by_the_folder_that_it_is_mounted_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = {"/": "overlay", "/my home": "nfs4", "/my home/scratch": "ext4"}
    disks = [
        SimpleNamespace(mountpoint=f"{tmp_path}{point}".rstrip("/"), fstype=kind)
        for point, kind in mounted.items()
    ]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: disks)
    found = [
        network_file_system(tmp_path / place / "mlflow.db")
        for place in ("my home/project", "my home/scratch", "elsewhere")
    ]
    assert found == ["nfs4", "", ""]
