"""Experiments that fail: without this, one that a stage refuses would leave no trace in MLflow."""

from mlflow.entities import RunStatus

from fashionbench.tracking.facts import Facts, digest, trained_here
from fashionbench.tracking.runs import Runs, end
from fashionbench.tracking.store import FAILURES, locked_store, warn


def tell_failure(reason: str) -> None:
    """Show that a stage of a DVC experiment has failed, and why; if it does again, in the same run.

    Must be called below such an experiment, which DVC names in the environment.
    """
    origin = trained_here()
    experiment, stage = origin["dvc.experiment"], origin["dvc.stage"]
    facts = Facts(
        key=digest("failure", experiment, stage),
        name=f"{experiment}: {stage} failed",
        note=reason,
        params={},
    )
    try:
        with locked_store() as (client, experiment_id):
            run = Runs(client, experiment_id).start(facts, None, origin)
            end(client, run, RunStatus.FAILED, reason)
    except FAILURES as error:
        warn(error)
