"""``mlflow run``: each entry point's runs stand below the run that started it."""

from collections.abc import Collection

import pytest
from mlflow.entities import Run
from repositories import MLFLOW_RUN, Repository
from stores import client_of, runs_of

TREE = {"comparison", "slow", "slow seed 0", "slow seed 1"}


def trees(repository: Repository, known: Collection[str]) -> dict[str, set[str]]:
    """Return by new entry points the names of the runs below them; all others are in ``known``."""
    added = [run for run in runs_of(client_of(repository)) if run.info.run_id not in known]
    launchers = {
        run.info.run_id: run for run in added if "mlflow.project.entryPoint" in run.data.tags
    }
    found: dict[str, set[str]] = {}
    for launcher in launchers.values():
        assert launcher.info.status == "FINISHED"
        assert launcher.data.metrics == {}
        below = [run for run in added if above(run) == launcher.info.run_id]
        ids = {run.info.run_id for run in below}
        below += [run for run in added if above(run) in ids]
        entry_point = launcher.data.tags["mlflow.project.entryPoint"]
        assert entry_point not in found
        found[entry_point] = {str(run.info.run_name) for run in below}
        assert len(found[entry_point]) == len(below)
    # None has collapsed into its launcher, and none is elsewhere.
    assert len(added) == len(launchers) + sum(len(names) for names in found.values())
    return found


def above(run: Run) -> str | None:
    """Return the id of the run that a run stands below."""
    return run.data.tags.get("mlflow.parentRunId")


@pytest.mark.slow(minutes=3)
@pytest.mark.tries(
    "mlflow run",
    "mlflow run . --experiment-name fashionbench -e experiment -P dropout_prob=0.3 "
    "--env-manager local",
    "mlflow run -e main",
    "mlflow run -e experiment",
)
def test_runs_are_children_of_the_entry_point_that_made_them(untrained: Repository) -> None:
    untrained.change_params(num_epochs=2)
    untrained.run("git", "commit", "-qam", "a short training")
    untrained.run(*MLFLOW_RUN, "-e", "main")
    assert trees(untrained, ()) == {"main": TREE}

    untrained.commit("results")

    # An experiment starts from params.yaml as it was edited, and leaves the workspace as it is.
    untrained.change_params(learning_rate=0.002)
    before = untrained.hashes("dvc.lock", "metrics", "models", "params.yaml")
    known = {run.info.run_id for run in runs_of(client_of(untrained))}
    given = ("-P", "num_epochs=3", "-P", "dropout_prob=0.3", "-P", "seeds=[0, 1]")
    untrained.run(*MLFLOW_RUN, "-e", "experiment", *given)
    (below,) = trees(untrained, known).values()
    assert {name.partition(" · ")[0] for name in below} == TREE
    assert "slow seed 0 · learning_rate=0.002, num_epochs=3, dropout_prob=0.3" in below
    assert untrained.hashes("dvc.lock", "metrics", "models", "params.yaml") == before
