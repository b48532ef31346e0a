"""Brings MLflow up to date with DVC's results, whether a stage made them or DVC restored them.

All functions are idempotent: what MLflow has already is left unchanged.
"""

from collections.abc import Iterator, Mapping
from itertools import islice

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Metric, RunStatus
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from fashionbench.errors import StoreError
from fashionbench.params import Params
from fashionbench.paths import in_workspace, network_table, study, weights_file
from fashionbench.pipeline.training_stage import training_dependencies, training_stage
from fashionbench.tracking.artifacts import has_artifact, has_model
from fashionbench.tracking.cards import describe_champion
from fashionbench.tracking.comparison_run import log_comparison, log_figures
from fashionbench.tracking.registry import (
    MODEL_SEED_TAG,
    MODEL_TAG,
    keeps_models,
    log_model,
    update_registry,
)
from fashionbench.tracking.run_spec import provenance_of_restored
from fashionbench.tracking.runs import CONTENT_TAG, Runs, end
from fashionbench.tracking.store import (
    locked_store,
    now_ms,
    warn,
    warn_about_network_disk,
    warn_about_old_runs,
    warn_without_models,
)
from fashionbench.tracking.stored_results import Rows, StoredResults, read_stored_results
from fashionbench.tracking.study_run import log_study, study_run
from fashionbench.tracking.views import show_experiment

WEIGHTS_TAG = "fashionbench.weights_sha256"

_LARGEST_BATCH = 1000  # Metrics that MLflow accepts in one call.


def mirror_network(params: Params, name: str) -> None:
    """Bring the runs of a network and its replicates up to date, but log no model.

    Logging a first model takes seconds; :func:`mirror_pipeline` logs those of all networks at once.
    An unreachable store is a warning. Raises DataError if a table of results is missing.
    """
    try:
        results = read_stored_results(params, name, training_dependencies(name))
        _fill(results, with_model=False, is_whole=False)
    except StoreError as error:
        warn(error)


def mirror_pipeline(params: Params) -> bool:
    """Bring the runs of all networks, their figures and models and the registry up to date.

    The many networks of a study have runs, but neither weights nor models in MLflow.
    Returns whether that succeeded: an unreachable store is a warning. Raises DataError if a table
    of results is missing.
    """
    try:
        # Read once for all networks, since that takes a tenth of a second.
        dependencies = training_dependencies(next(iter(params.networks)))
        all_results = [read_stored_results(params, name, dependencies) for name in params.networks]
        with locked_store() as (client, experiment):
            runs = Runs(client, experiment)
            with_models = not study() and keeps_models(client, experiment)
            to_fill = [
                results
                for results in all_results
                if not _is_logged(client, runs, results, with_model=with_models)
            ]
        for results in to_fill:
            _fill(results, with_model=with_models, is_whole=True)
        with locked_store() as (client, experiment):
            if study():
                log_study(client, experiment)
                return True
            runs = Runs(client, experiment) if to_fill else runs
            log_figures(client, runs, all_results)
            log_comparison(client, runs, all_results)
            show_experiment(client, client.get_experiment(experiment), runs.params_of_networks())
            if with_models:
                update_registry(client, runs, all_results)
                if in_workspace():
                    describe_champion(client, params)
            else:
                warn_without_models()
        warn_about_old_runs()
        warn_about_network_disk()
    except StoreError as error:
        warn(error)
        return False
    return True


def _is_logged(
    client: MlflowClient, runs: Runs, results: StoredResults, *, with_model: bool
) -> bool:
    parent = runs.find(results.spec.key)
    return bool(
        parent
        and runs.is_complete(results.spec.key, results.whole_content)
        and all(
            _is_replicate_logged(runs, results, seed)
            and _has_parent(runs, spec.key, parent.info.run_id)
            for seed, spec in results.replicates.items()
        )
        and (not with_model or has_model(client, parent.data.tags.get(MODEL_TAG)))
    )


def _is_replicate_logged(runs: Runs, results: StoredResults, seed: int) -> bool:
    """Tell whether a replicate's run has all results, and its weights are still there."""
    key = results.replicates[seed].key
    run = runs.find(key)
    return bool(
        run
        and runs.is_complete(key, results.content(seed))
        and (
            study() or has_artifact(run, f"weights/{weights_file(results.network.name, seed).name}")
        )
    )


def _fill(results: StoredResults, *, with_model: bool, is_whole: bool) -> None:
    """Log what a network's runs lack; unless this is the whole of it they stay incomplete."""
    with locked_store() as (client, experiment):
        runs = Runs(client, experiment, results.network.name)
        if _is_logged(client, runs, results, with_model=with_model):
            return
        if any(runs.is_busy(spec.key) for spec in results.replicates.values()):
            return  # Another process is training the same, and will do this itself.
        logged = runs.epochs(results.spec.key)
        above = study_run(client, experiment)
        parent = runs.start(results.spec, above, _provenance_tags(results, runs, results.spec.key))
        for seed, spec in results.replicates.items():
            if not _is_replicate_logged(runs, results, seed):
                _fill_replicate(client, runs, results, seed, parent)
            elif not _has_parent(runs, spec.key, parent):
                client.set_tag(_id(runs, spec.key), MLFLOW_PARENT_RUN_ID, parent)
        for batch in _batches(results.mean_curve, logged):
            client.log_batch(parent, metrics=batch)
        client.log_batch(parent, metrics=_final_metrics(average_scores(results.scores)))
        client.set_tag(parent, MODEL_SEED_TAG, str(results.best_seed))
        if with_model:
            client.set_tag(parent, MODEL_TAG, log_model(client, experiment, parent, results))
        if is_whole:
            client.set_tag(parent, CONTENT_TAG, results.whole_content)
        end(client, parent, RunStatus.FINISHED)


def _has_parent(runs: Runs, key: str, parent: str) -> bool:
    """Tell whether a replicate has the right parent, which is another run for other seeds.

    Experiments in a copy never move replicates away from the network of the workspace.
    """
    return not in_workspace() or runs.parent(key) == parent


def _fill_replicate(
    client: MlflowClient, runs: Runs, results: StoredResults, seed: int, parent: str
) -> None:
    spec = results.replicates[seed]
    logged = runs.epochs(spec.key)
    run = runs.start(spec, parent, _provenance_tags(results, runs, spec.key))
    for batch in _batches(results.curves[seed], logged):
        client.log_batch(run, metrics=batch)
    client.log_batch(run, metrics=_final_metrics(results.scores[seed]))
    if not study():
        weights = weights_file(results.network.name, seed)
        client.log_artifact(run, str(weights), artifact_path="weights")
    client.set_tag(run, WEIGHTS_TAG, results.weights[seed])
    client.set_tag(run, CONTENT_TAG, results.content(seed))
    end(client, run, RunStatus.FINISHED)


def _provenance_tags(results: StoredResults, runs: Runs, key: str) -> Mapping[str, str]:
    """Return tags for a new run; one that a training created keeps its own."""
    if runs.find(key):
        return {}
    name = results.network.name
    tags = provenance_of_restored(network_table(name, "curves"))
    return tags | {"dvc.stage": training_stage(name)}


def _id(runs: Runs, key: str) -> str:
    run = runs.find(key)
    assert run is not None
    return str(run.info.run_id)


def _batches(curve: Rows, logged: set[int]) -> Iterator[list[Metric]]:
    """Yield the metrics of all epochs but those in ``logged``, in batches."""
    now = now_ms()
    points = (
        Metric(name, value, now, int(row["epoch"]))
        for row in curve
        for name, value in row.items()
        if name != "epoch" and row["epoch"] not in logged
    )
    while batch := list(islice(points, _LARGEST_BATCH)):
        yield batch


def average_scores(scores: Mapping[int, Mapping[str, float]]) -> dict[str, float]:
    """Return the mean over seeds of each score, and the ends of its 95% interval.

    ``scores`` are by seed. A mean has the name of the score, so that networks and replicates share
    a column in MLflow; ``interval/n`` is the number of seeds.
    """
    from fashionbench.analysis.statistics import estimate

    averages = {"interval/n": float(len(scores))}
    for name in next(iter(scores.values())):
        found = estimate([of_seed[name] for of_seed in scores.values()])
        short = name.rpartition("/")[2]
        averages |= {name: found.mean}
        averages |= {f"interval/{short}_low": found.low, f"interval/{short}_high": found.high}
    return averages


def _final_metrics(values: Mapping[str, float]) -> list[Metric]:
    # A single seed has no interval, and SQL stores cannot hold nan.
    now = now_ms()
    return [Metric(name, value, now, 0) for name, value in values.items() if np.isfinite(value)]
