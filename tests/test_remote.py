"""A tracking server elsewhere: it holds all that a file does, and may be away, silent or die."""

from dataclasses import replace
from pathlib import Path

import pytest
from interruptions import BackgroundTraining, wait_until
from mlflow import MlflowClient
from queues import run_queue
from repositories import MLFLOW_RUN, Repository
from servers import (
    CREDENTIALS,
    PASSWORD,
    TrackingServer,
    free_port,
    postgresql,
    silent_server,
    tracking_server,
)
from stores import assert_shows_what_dvc_holds, by_name, champions, points, runs_of

TREE = {"comparison", "slow", "slow seed 0", "slow seed 1"}
WARNING = "MLflow cannot be told of this stage"
ASK = """
import mlflow, numpy
model = mlflow.pyfunc.load_model("models:/fashionbench@champion")
assert abs(model.predict(numpy.zeros((2, 28, 28))).sum() - 2) < 1e-5
"""


def train_while_it_dies(
    server: TrackingServer, repository: Repository, client: MlflowClient
) -> tuple[str, set[str]]:
    """Train, and kill the server once it shows an epoch; what was printed, and the runs it had."""
    with BackgroundTraining(repository) as training:
        training.suspend_after(4)
        wait_until(lambda: points(client) >= 1)
        begun = {run.info.run_id for run in runs_of(client)}
        server.kill()
        for worker in training.workers():
            worker.resume()
        printed = training.end()
        assert training.dvc.returncode == 0, printed
    return printed, begun


@pytest.mark.slow
def test_a_server_that_dies_in_mid_training_stops_nothing_and_is_filled_later(
    untrained: Repository, tmp_path: Path
) -> None:
    with tracking_server(tmp_path / "server") as server:
        repository = replace(untrained, variables={"MLFLOW_TRACKING_URI": server.uri})
        client = MlflowClient(server.uri)
        printed, begun = train_while_it_dies(server, repository, client)
        assert printed.count(WARNING) == 1
        assert_filled_when_back(server, repository)
        assert {run.info.run_id for run in runs_of(client)} > begun


@pytest.mark.slow
def test_a_server_that_is_away_is_filled_when_it_is_there(
    untrained: Repository, tmp_path: Path
) -> None:
    away = f"http://me:secret@127.0.0.1:{free_port()}"
    done = replace(untrained, variables={"MLFLOW_TRACKING_URI": away}).run("dvc", "repro")
    # Of the stages that train, evaluate and mirror.
    assert done.stderr.count(WARNING) == 3
    assert "secret" not in done.stdout + done.stderr
    with tracking_server(tmp_path / "server") as server:
        repository = replace(untrained, variables={"MLFLOW_TRACKING_URI": server.uri})
        assert_filled_when_back(server, repository)


def test_a_server_that_never_answers_holds_nothing_up(untrained: Repository) -> None:
    with silent_server() as uri:
        # The same as without, but sooner.
        variables = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_HTTP_REQUEST_TIMEOUT": "2"}
        done = replace(untrained, variables=variables).run("dvc", "repro", "train@slow")
    assert done.stderr.count(WARNING) == 1


def assert_filled_when_back(server: TrackingServer, repository: Repository) -> None:
    server.kill()
    server.start()
    said = repository.run("dvc", "repro")
    assert WARNING not in said.stderr
    client = MlflowClient(server.uri)
    assert_shows_what_dvc_holds(client, repository)
    assert by_name(client).keys() == TREE


@pytest.mark.slow
def test_everything_holds_on_a_server_with_postgresql(
    untrained: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)  # For the client below.
    with (
        postgresql() as database,
        tracking_server(tmp_path / "server", database, has_users=True) as server,
    ):
        where = {"MLFLOW_TRACKING_URI": server.uri}
        repository = replace(untrained, variables=where | CREDENTIALS)
        client = MlflowClient(server.uri)
        printed, begun = train_while_it_dies(server, repository, client)
        assert printed.count(WARNING) == 1

        # What it has missed is made up for, once only, by those whom the server knows.
        server.start()
        stranger = replace(untrained, variables=where).run("dvc", "repro")
        assert WARNING in stranger.stderr
        assert "401" in stranger.stderr
        assert PASSWORD not in printed + stranger.stdout + stranger.stderr
        said = repository.run("dvc", "repro")
        assert WARNING not in said.stderr
        assert by_name(client).keys() == TREE
        assert {run.info.run_id for run in runs_of(client)} > begun
        assert_shows_what_dvc_holds(client, repository)
        assert not (repository.path / "mlflow.db").exists()
        repository.run("dvc", "remote", "add", "shelf", str(tmp_path / "shelf"))
        repository.run("git", "add", "-A")
        repository.run("git", "commit", "-qm", "results")

        # Experiments side by side.
        repository.run("dvc", "exp", "run", "--queue", "-S", "dropout_prob=0.1,0.3")
        assert run_queue(repository, jobs=2).count("Success") == 2
        runs = runs_of(client)
        assert len(runs) == len({run.data.tags["fashionbench.key"] for run in runs}) == 12
        assert {run.info.status for run in runs} == {"FINISHED"}
        assert len({run.data.tags.get("dvc.experiment") for run in runs}) == 3
        assert not [run for run in runs if PASSWORD in str(run.to_dictionary())]

        # The mirror follows the workspace, and another's clone adds nothing.
        before = champions(client)
        applied = next(run for run in runs if run.data.params.get("dropout_prob") == "0.3")
        repository.run("dvc", "exp", "apply", applied.data.tags["dvc.experiment"])
        repository.run("dvc", "repro")
        (champion,) = {
            client.get_run(str(version.run_id)).data.params["dropout_prob"]
            for version in (client.get_model_version_by_alias(name, "champion") for name in before)
        }
        assert champion == "0.3"
        repository.run("git", "checkout", "-q", ".")
        repository.run("dvc", "checkout")
        repository.run("dvc", "repro")
        assert champions(client) == before
        clone = replace(repository, path=tmp_path / "clone")
        repository.run("git", "clone", "-q", ".", str(clone.path))
        repository.run("dvc", "push", "-r", "shelf")
        clone.run("dvc", "pull", "-r", "shelf")
        clone.run("dvc", "repro")
        assert len(runs_of(client)) == 12

        # The model comes from the server too, and a database that is lost is filled again, under
        # the run of an entry point.
        repository.run("python", "-c", ASK)
        for run in runs:
            client.delete_run(run.info.run_id)
        repository.run(*MLFLOW_RUN, "-e", "main")
        found = by_name(client)
        (launcher,) = found.keys() - TREE
        assert found.keys() == {launcher, *TREE}
        for name in ("comparison", "slow"):
            parent = found[name].data.tags["mlflow.parentRunId"]
            assert parent == found[launcher].info.run_id
        assert champions(client) == before
