"""Logs failed experiments to MLflow, which those that fail before training would not reach."""

from mlflow.entities import RunStatus

from fashionbench.errors import StoreError
from fashionbench.pipeline.identity import digest
from fashionbench.tracking.run_spec import RunSpec, provenance_of_training
from fashionbench.tracking.runs import Runs, end
from fashionbench.tracking.store import locked_store, warn


def log_failure(reason: str) -> None:
    """Log the failure of a stage of a DVC experiment as a run; a repeated one updates that run.

    Requires the variables that DVC sets in the environment of an experiment.
    """
    provenance_tags = provenance_of_training()
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
    except StoreError as error:
        warn(error)
