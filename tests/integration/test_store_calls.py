"""Whatever goes wrong in MLflow is the store's failure, in one line, and nothing else is."""

import errno
import fcntl
import time
from pathlib import Path

import pytest
from servers import HOST, free_port, silent_server

from fashionbench.errors import DataError, StoreError
from fashionbench.pipeline.file_locks import exclusive
from fashionbench.tracking.calls import guarded, store_calls
from fashionbench.tracking.databases import check_database, network_file_system
from fashionbench.tracking.registry import keeps_models
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


class Answering:
    """A client whose server answers a search for models with an error."""

    def __init__(self, message: str) -> None:
        self._message = message

    def search_logged_models(self, *_: object, **__: object) -> None:
        raise StoreError(self._message)


def test_a_server_that_knows_no_models_by_themselves_is_told_from_one_that_fails() -> None:
    missing = "API request to endpoint /logged-models/search failed with error code 404 != 200."
    assert not keeps_models(Answering(missing), "1")  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="500"):
        keeps_models(Answering("failed with error code 500, in line 404"), "1")  # type: ignore[arg-type]


def test_a_store_without_locks_is_used_with_a_marker(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    for _ in range(2):
        with exclusive(folder / "mlflow.db.lock"):
            assert (folder / "mlflow.db.lock.held").exists()
    assert not (folder / "mlflow.db.lock.held").exists()
    assert caplog.text.count("has no locks") == 1


def test_a_network_disk_is_known_by_the_folder_that_it_is_mounted_on(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    home = str(tmp_path / "my home").replace(" ", r"\040")
    mounts.write_text(
        f"overlay / overlay rw 0 0\nserver:/home {home} nfs4 rw 0 0\n"
        f"/dev/sda {home}/scratch ext4 rw 0 0\n"
    )
    found = [
        network_file_system(tmp_path / place / "mlflow.db", mounts)
        for place in ("my home/project", "my home/scratch", "elsewhere")
    ]
    assert found == ["nfs4", "", ""]
    assert network_file_system(tmp_path, tmp_path / "none") == ""
