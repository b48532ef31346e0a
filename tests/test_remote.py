"""A tracking server elsewhere: PostgreSQL holds the runs, and the server passes artifacts on."""

from dataclasses import replace
from pathlib import Path

import pytest
from interruptions import BackgroundTraining, wait_until
from mlflow import MlflowClient
from queues import wait_for_queue
from repositories import Repository
from servers import postgresql, tracking_server
from stores import assert_shows_what_dvc_holds, by_name, champions, curves_of, runs_of

ASK = """
import mlflow, numpy
model = mlflow.pyfunc.load_model("models:/fashionbench@champion")
assert abs(model.predict(numpy.zeros((2, 28, 28))).sum() - 2) < 1e-5
"""


@pytest.mark.slow
def test_everything_holds_on_a_server_with_postgresql(
    untrained: Repository, tmp_path: Path
) -> None:
    with (
        postgresql() as database,
        tracking_server(tmp_path / "server", database) as server,
    ):
        repository = replace(untrained, variables={"MLFLOW_TRACKING_URI": server.uri})
        client = MlflowClient(server.uri)
        with BackgroundTraining(repository) as training:
            training.suspend_after(4)
            # Live, and then the server dies.
            wait_until(lambda: any(curves_of(client, run) for run in runs_of(client)))
            begun = {run.info.run_id for run in runs_of(client)}
            server.kill()
            for worker in training.workers():
                worker.resume()
            printed = training.end()
            assert training.dvc.returncode == 0, printed
        assert "MLflow cannot be told of this stage" in printed

        # What it has missed is made up for, once only.
        server.start()
        repository.run("dvc", "repro")
        assert by_name(client).keys() == {"comparison", "slow", "slow seed 0", "slow seed 1"}
        assert {run.info.run_id for run in runs_of(client)} > begun
        assert_shows_what_dvc_holds(client, repository)
        assert not (repository.path / "mlflow.db").exists()
        repository.run("git", "add", "-A")
        repository.run("git", "commit", "-qm", "results")

        # Experiments side by side.
        repository.run("dvc", "exp", "run", "--queue", "-S", "dropout_prob=0.1,0.3")
        repository.run("dvc", "queue", "start", "-j", "2")
        assert wait_for_queue(repository).count("Success") == 2
        runs = runs_of(client)
        assert len(runs) == len({run.data.tags["fashionbench.key"] for run in runs}) == 12
        assert {run.info.status for run in runs} == {"FINISHED"}
        assert len({run.data.tags.get("dvc.experiment") for run in runs}) == 3

        # The model comes from the server too, and a database that is lost is filled again.
        repository.run("python", "-c", ASK)
        before = champions(client)
        for run in runs:
            client.delete_run(run.info.run_id)
        repository.run("dvc", "repro")
        assert by_name(client).keys() == {"comparison", "slow", "slow seed 0", "slow seed 1"}
        assert champions(client) == before
