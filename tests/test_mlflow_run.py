"""``mlflow run``: each entry point's runs stand below the run that started it."""

import pytest
from mlflow.entities import Run
from repositories import MLFLOW_RUN, SMALL_RUN, Repository
from stores import client_of, runs_of

TREE = {"slow", "slow seed 0", "slow seed 1"}


def launch(repository: Repository, entry_point: str, *parameters: str) -> tuple[Run, set[str]]:
    """Run an entry point; its own run, and the names of the others that are new."""
    client = client_of(repository)
    known = {run.info.run_id for run in runs_of(client)}
    repository.run(*MLFLOW_RUN, "-e", entry_point, *(f"-P{parameter}" for parameter in parameters))
    added = [run for run in runs_of(client) if run.info.run_id not in known]
    (launcher,) = [run for run in added if "mlflow.project.entryPoint" in run.data.tags]
    below = {
        run.info.run_id: run
        for run in added
        if run.data.tags.get("mlflow.parentRunId") == launcher.info.run_id
    }
    names = {str(run.info.run_name) for run in below.values()}
    names |= {
        str(run.info.run_name) for run in added if run.data.tags.get("mlflow.parentRunId") in below
    }
    # None has collapsed into the launcher, and none is elsewhere.
    assert len(added) == 1 + len(names)
    assert launcher.info.status == "FINISHED"
    assert launcher.data.metrics == {}
    return launcher, names


@pytest.mark.slow
def test_runs_are_children_of_the_entry_point_that_made_them(untrained: Repository) -> None:
    for entry_point in ("check", "download", "prepare"):
        assert launch(untrained, entry_point)[1] == set()
    assert launch(untrained, "train", "network=slow")[1] == TREE
    assert launch(untrained, "evaluate", "network=slow")[1] == set()
    for entry_point in ("compare", "report"):
        assert launch(untrained, entry_point)[1] == set()
    assert launch(untrained, "mirror")[1] == {"comparison"}
    client = client_of(untrained)
    for run in runs_of(client):
        client.delete_run(run.info.run_id)
    assert launch(untrained, "main")[1] == {*TREE, "comparison"}
    untrained.change_params(num_epochs=2)
    assert launch(untrained, "main")[1] == {*TREE, "comparison"}
    untrained.run("git", "add", "-A")
    untrained.run("git", "commit", "-qm", "results")

    # An experiment leaves the workspace as it is.
    before = untrained.hashes("dvc.lock", "metrics", "models", "params.yaml")
    changes = SMALL_RUN | {"num_epochs": 2, "dropout_prob": 0.3}
    small = [f"{name}={value}" for name, value in changes.items()]
    assert launch(untrained, "experiment", *small)[1] == {*TREE, "comparison"}
    assert untrained.hashes("dvc.lock", "metrics", "models", "params.yaml") == before
