"""Whatever goes wrong in MLflow is the store's failure, in one line, and nothing else is."""

import time
from pathlib import Path

import pytest
from servers import HOST, free_port, silent_server

from fashionbench.errors import DataError, StoreError
from fashionbench.tracking.calls import guarded, store_calls
from fashionbench.tracking.databases import check_database
from fashionbench.tracking.store import locked_store, store_to_read


class NoCredentialsError(Exception):
    """As boto3 has one, which is neither MLflow's nor the system's."""


class Failing:
    """A client whose every call fails."""

    def search_runs(self, *_: object) -> None:
        raise NoCredentialsError("Unable to locate credentials")


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
    client = guarded(Failing())  # type: ignore[arg-type]
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
        ("postgresql+pg8000://me@localhost/runs", "No module named 'pg8000'; pip install pg8000"),
        ("postgresql+psycopg2://me@127.0.0.1:1/runs", "refused"),
        ("gopher://localhost", "gopher"),
        ("file:///tmp/runs", "is a folder, and MLflow 3 keeps runs in databases; set MLFLOW_TR"),
        ("./mlruns", "is a folder"),
    ],
)
def test_a_store_that_cannot_be_opened_is_a_store_error(
    monkeypatch: pytest.MonkeyPatch, uri: str, says: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(StoreError, match=says), locked_store():
        pass


@pytest.mark.usefixtures("folder")
def test_a_database_that_is_silent_or_away_is_left_after_two_tries() -> None:
    with silent_server() as silent:
        for address in (silent.removeprefix("http://"), f"{HOST}:{free_port()}"):
            start = time.monotonic()
            with pytest.raises(StoreError), store_calls():
                check_database(f"postgresql+psycopg2://me:secret@{address}/runs")
            # libpq takes no less than two seconds.
            assert time.monotonic() - start < 8


def test_reading_makes_no_store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(StoreError, match=rf"there is no {folder}/mlflow.db"):
        store_to_read()
    assert list(folder.iterdir()) == []
