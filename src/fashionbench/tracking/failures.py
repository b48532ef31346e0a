"""Experiments that fail: without this, one that a stage refuses would leave no trace in MLflow."""

from mlflow.entities import RunStatus

from fashionbench.tracking.run_spec import RunSpec, digest, trained_here
from fashionbench.tracking.runs import Runs, end
from fashionbench.tracking.store import FAILURES, locked_store, warn


def log_failure(reason: str) -> None:
    """Show that a stage of a DVC experiment has failed, and why; if it does again, in the same run.

    Must be called below such an experiment, which DVC names in the environment.
    """
    provenance_tags = trained_here()
    experiment, stage = provenance_tags["dvc.experiment"], provenance_tags["dvc.stage"]
    spec = RunSpec(
        key=digest("failure", experiment, stage),
        name=f"{experiment}: {stage} failed",
        note=reason,
        params={},
    )
    try:
        with locked_store() as (client, experiment_id):
            run = Runs(client, experiment_id).start(spec, None, provenance_tags)
            end(client, run, RunStatus.FAILED, reason)
    except FAILURES as error:
        warn(error)
