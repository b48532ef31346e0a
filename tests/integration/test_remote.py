"""A tracking server elsewhere: it holds all that a file does, and may be away, silent or die."""

from dataclasses import replace
from pathlib import Path

import pytest
from interruptions import BackgroundTraining, wait_until
from mlflow import MlflowClient
from queues import run_queue
from repositories import MLFLOW_RUN, Repository, stages_of
from servers import (
    CREDENTIALS,
    HOST,
    PASSWORD,
    TrackingServer,
    free_port,
    postgresql,
    silent_server,
    tracking_server,
    without_models,
)
from stores import assert_shows_what_dvc_holds, by_name, champions, client_of, points, runs_of

TREE = {"comparison", "slow", "slow seed 0", "slow seed 1"}
WARNING = "cannot log this stage to MLflow"
ASK = """
import mlflow, numpy
model = mlflow.pyfunc.load_model("models:/fashionbench@champion")
assert abs(numpy.asarray(model.predict(numpy.zeros((2, 28, 28)))).sum() - 2) < 1e-5
"""


@pytest.mark.slow(minutes=1)
def test_a_server_that_is_silent_or_away_stops_nothing_and_is_filled_when_it_is_there(
    untrained: Repository, tmp_path: Path
) -> None:
    with silent_server() as silent:
        # The same as without, but sooner.
        variables = {"MLFLOW_TRACKING_URI": silent, "MLFLOW_HTTP_REQUEST_TIMEOUT": "2"}
        done = replace(untrained, variables=variables).run("dvc", "repro", "train@slow")
    assert done.stderr.count(WARNING) == 1
    away = f"http://me:secret@{HOST}:{free_port()}"
    done = replace(untrained, variables={"MLFLOW_TRACKING_URI": away}).run("dvc", "repro")
    stages = {"evaluate@slow", "compare", "duplicates", "report", "mirror"}
    assert stages_of(done.stdout) == stages
    assert done.stderr.count(WARNING) == 1  # Of the mirror.
    assert "secret" not in done.stdout + done.stderr
    with tracking_server(tmp_path / "server") as server:
        repository = replace(untrained, variables={"MLFLOW_TRACKING_URI": server.uri})
        said = repository.run("dvc", "repro")
        assert WARNING not in said.stderr
        client = MlflowClient(server.uri)
        assert_shows_what_dvc_holds(client, repository)
        assert by_name(client).keys() == TREE


@pytest.mark.slow(minutes=1)
def test_a_server_before_3_0_shows_all_but_the_models_and_says_so_once(
    copied: Repository, tmp_path: Path
) -> None:
    with tracking_server(tmp_path / "server") as server, without_models(server.uri) as older:
        repository = replace(copied, variables={"MLFLOW_TRACKING_URI": older})
        # The second time everything is there, and is looked at.
        for _ in range(2):
            said = repository.run("dvc", "repro", "mirror").stderr
            assert WARNING not in said
            assert said.count("is older than 3.0 and keeps no models by themselves") == 1
        runs, expected = (by_name(client) for client in (MlflowClient(older), client_of(copied)))
        assert {name: run.data.metrics for name, run in runs.items()} == {
            name: run.data.metrics for name, run in expected.items()
        }
        assert {run.info.status for run in runs.values()} == {"FINISHED"}


@pytest.mark.slow(minutes=5)
def test_everything_holds_on_a_server_with_postgresql(
    untrained: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)  # For the client below.
    with (
        postgresql() as database,
        tracking_server(tmp_path / "server", database, has_users=True) as server,
    ):
        variables = {"MLFLOW_TRACKING_URI": server.uri} | CREDENTIALS
        repository = replace(untrained, variables=variables)
        client = MlflowClient(server.uri)
        assert_a_server_that_died_is_filled(server, repository, client)
        repository.run("dvc", "remote", "add", "shelf", str(tmp_path / "shelf"))
        repository.commit("results")
        assert_experiments_stand_side_by_side(repository, client)
        before, known = champions(client), len(runs_of(client))
        # Another's clone adds nothing.
        clone = replace(repository, path=tmp_path / "clone")
        repository.run("git", "clone", "-q", ".", str(clone.path))
        repository.run("dvc", "push", "-r", "shelf")
        clone.run("dvc", "pull", "-r", "shelf")
        clone.run("dvc", "repro")
        assert len(runs_of(client)) == known
        # The model comes from the server too.
        repository.run("python", "-c", ASK)
        assert_filled_below_an_entry_point(repository, client)
        assert champions(client) == before


def assert_a_server_that_died_is_filled(
    server: TrackingServer, repository: Repository, client: MlflowClient
) -> None:
    """Train while the server dies: it is told once only, by those whom it knows."""
    with BackgroundTraining(repository) as training:
        training.suspend_after(4)
        wait_until(lambda: points(client) >= 1)
        begun = {run.info.run_id for run in runs_of(client)}
        server.kill()
        training.resume()
        printed = training.end()
    assert training.dvc.returncode == 0, printed
    assert printed.count(WARNING) == 1
    server.start()
    unknown = replace(repository, variables={"MLFLOW_TRACKING_URI": server.uri})
    stranger = unknown.run("dvc", "repro")
    assert WARNING in stranger.stderr
    assert "401" in stranger.stderr
    assert PASSWORD not in printed + stranger.stdout + stranger.stderr
    said = repository.run("dvc", "repro")
    assert WARNING not in said.stderr
    assert by_name(client).keys() == TREE
    assert {run.info.run_id for run in runs_of(client)} > begun
    assert_shows_what_dvc_holds(client, repository)
    assert runs_of(client_of(repository)) == []


def assert_experiments_stand_side_by_side(repository: Repository, client: MlflowClient) -> None:
    """Run two at a time: all runs are there, each with a key of its own."""
    # Trainings log as they go.
    repository.run("dvc", "exp", "run", "--queue", "-S", "dropout_prob=0.1,0.3", "train@slow")
    assert run_queue(repository, jobs=2).count("Success") == 2
    runs = runs_of(client)
    assert len(runs) == len({run.data.tags["fashionbench.key"] for run in runs}) == 10
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert len({run.data.tags.get("dvc.experiment") for run in runs}) == 3
    assert not [run for run in runs if PASSWORD in str(run.to_dictionary())]


def assert_filled_below_an_entry_point(repository: Repository, client: MlflowClient) -> None:
    """Lose all runs: they are there again, under the run of an entry point."""
    for run in runs_of(client):
        client.delete_run(run.info.run_id)
    assert stages_of(repository.run(*MLFLOW_RUN, "-P", "stages=mirror").stdout) == {"mirror"}
    found = by_name(client)
    (launcher,) = found.keys() - TREE
    assert found.keys() == {launcher, *TREE}
    for name in ("comparison", "slow"):
        assert found[name].data.tags["mlflow.parentRunId"] == found[launcher].info.run_id
