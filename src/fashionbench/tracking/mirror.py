"""Making MLflow show what DVC holds, whether a stage has made that or DVC has restored it.

Everything here may be repeated at will: what MLflow shows already is left as it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Metric, RunStatus
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from fashionbench.params import Params
from fashionbench.paths import METRICS_DIR, in_workspace, network_table, weights_file
from fashionbench.pipeline.dependencies import Dependencies, sha256_of
from fashionbench.tables import read_table
from fashionbench.tracking.registry import MODEL_SEED_TAG, MODEL_TAG, follow_registry, log_model
from fashionbench.tracking.run_spec import RunSpec, digest, restored_by_dvc
from fashionbench.tracking.runs import CONTENT_TAG, Runs, end
from fashionbench.tracking.store import FAILURES, locked_store, now_ms, warn
from fashionbench.tracking.stored_results import Rows, StoredResults, read_stored_results

# As their own rooms have them, which import scipy.stats: mostly there is nothing to do here, and
# that is to be found soon.
COMPARISON_FILE = METRICS_DIR / "comparison.csv"
FIGURES_DIR = METRICS_DIR / "figures"
REPORT_FILE = METRICS_DIR / "report.html"

WEIGHTS_TAG = "fashionbench.weights_sha256"
FIGURE_TAG = "fashionbench.figure_sha256"

_LARGEST_BATCH = 1000  # Metrics that MLflow takes at once.


def mirror_network(params: Params, name: str) -> None:
    """Make MLflow show the replicates of a network and what they have in common, but no model.

    MLflow takes seconds to keep a first model, and :func:`mirror_pipeline` keeps those of all
    networks in one go. Raises DataError if a table of results is missing.
    """
    try:
        _fill(read_stored_results(params, name, Dependencies.of("train", name)), with_model=False)
    except FAILURES as error:
        warn(error)


def mirror_pipeline(params: Params) -> bool:
    """Make MLflow show all networks, their figures, and the best of each as its champion.

    Returns whether it does now: a store that is away is a warning. Raises DataError if a table of
    results is missing.
    """
    try:
        # Read once: that takes a tenth of a second.
        dependencies = Dependencies.of("train", next(iter(params.networks)))
        all_results = [read_stored_results(params, name, dependencies) for name in params.networks]
        with locked_store() as (client, experiment):
            runs = Runs(client, experiment)
            to_fill = [results for results in all_results if not _is_shown(results, runs)]
        for results in to_fill:
            _fill(results, with_model=True)
        with locked_store() as (client, experiment):
            runs = Runs(client, experiment) if to_fill else runs
            _show_figures(client, runs, all_results)
            _show_comparison(client, runs, all_results)
            follow_registry(client, runs, all_results)
    except FAILURES as error:
        warn(error)
        return False
    return True


def _is_shown(results: StoredResults, runs: Runs) -> bool:
    above = runs.find(results.spec.key)
    return bool(
        above
        and runs.is_complete(results.spec.key, results.whole_content)
        and all(
            runs.is_complete(spec.key, results.content(seed))
            and _stands_below(runs, spec.key, above.info.run_id)
            for seed, spec in results.below.items()
        )
    )


def _fill(results: StoredResults, *, with_model: bool) -> None:
    """Add to a network's runs what they lack; without the model they count as incomplete."""
    with locked_store() as (client, experiment):
        runs = Runs(client, experiment, results.network.name)
        if _is_shown(results, runs):
            return
        if any(runs.is_busy(spec.key) for spec in results.below.values()):
            return  # Another process trains the same at this moment, and will come here itself.
        shown = runs.epochs(results.spec.key)
        parent = runs.start(results.spec, None, _provenance_tags(results, runs, results.spec.key))
        for seed, spec in results.below.items():
            if not runs.is_complete(spec.key, results.content(seed)):
                _fill_replicate(client, runs, results, seed, parent)
            elif not _stands_below(runs, spec.key, parent):
                client.set_tag(_id(runs, spec.key), MLFLOW_PARENT_RUN_ID, parent)
        for batch in _batches(results.mean_curve, shown):
            client.log_batch(parent, metrics=batch)
        client.log_batch(parent, metrics=_final_metrics(summarise(results.scores)))
        client.set_tag(parent, MODEL_SEED_TAG, str(results.best_seed))
        if with_model:
            client.set_tag(parent, MODEL_TAG, log_model(client, experiment, parent, results))
            client.set_tag(parent, CONTENT_TAG, results.whole_content)
        end(client, parent, RunStatus.FINISHED)


def _stands_below(runs: Runs, key: str, parent: str) -> bool:
    """Whether a replicate is where it belongs: with other seeds beside it, that is another run.

    An experiment in a copy leaves it with the network of the workspace.
    """
    return not in_workspace() or runs.parent(key) == parent


def _fill_replicate(
    client: MlflowClient, runs: Runs, results: StoredResults, seed: int, parent: str
) -> None:
    spec = results.below[seed]
    shown = runs.epochs(spec.key)
    run = runs.start(spec, parent, _provenance_tags(results, runs, spec.key))
    for batch in _batches(results.curves[seed], shown):
        client.log_batch(run, metrics=batch)
    client.log_batch(run, metrics=_final_metrics(results.scores[seed]))
    weights = weights_file(results.network.name, seed)
    client.log_artifact(run, str(weights), artifact_path="weights")
    client.set_tag(run, WEIGHTS_TAG, results.weights[seed])
    client.set_tag(run, CONTENT_TAG, results.content(seed))
    end(client, run, RunStatus.FINISHED)


def _provenance_tags(results: StoredResults, runs: Runs, key: str) -> Mapping[str, str]:
    """A run that a training has made keeps the tags that it got there."""
    if runs.find(key):
        return {}
    name = results.network.name
    return restored_by_dvc(network_table(name, "curves")) | {"dvc.stage": f"train@{name}"}


def _id(runs: Runs, key: str) -> str:
    run = runs.find(key)
    assert run is not None
    return str(run.info.run_id)


def _batches(curve: Rows, shown: set[int]) -> Iterator[list[Metric]]:
    """The points of all curves of a replicate but those of the epochs in ``shown``."""
    now = now_ms()
    points = (
        Metric(name, value, now, int(row["epoch"]))
        for row in curve
        for name, value in row.items()
        if name != "epoch" and row["epoch"] not in shown
    )
    while batch := list(islice(points, _LARGEST_BATCH)):
        yield batch


def summarise(scores: Mapping[int, Mapping[str, float]]) -> dict[str, float]:
    """Mean over seeds of each score, by the name of the score, and the ends of its 95% interval.

    So networks and replicates stand in the same column. ``interval/n`` is how many seeds there are.
    """
    from fashionbench.analysis.statistics import estimate

    summary = {"interval/n": float(len(scores))}
    for name in next(iter(scores.values())):
        found = estimate([of_seed[name] for of_seed in scores.values()])
        short = name.rpartition("/")[2]
        summary |= {name: found.mean}
        summary |= {f"interval/{short}_low": found.low, f"interval/{short}_high": found.high}
    return summary


def _final_metrics(values: Mapping[str, float]) -> list[Metric]:
    # A single seed has no interval; SQL stores have no room for nan.
    now = now_ms()
    return [Metric(name, value, now, 0) for name, value in values.items() if np.isfinite(value)]


def _show_figures(client: MlflowClient, runs: Runs, all_results: Sequence[StoredResults]) -> None:
    """Add to each network's run its figure."""
    for results in all_results:
        run = runs.find(results.spec.key)
        figure = FIGURES_DIR / "networks" / f"{results.network.name}.svg"
        sha256 = sha256_of(figure)
        if run and run.data.tags.get(FIGURE_TAG) != sha256:
            client.log_artifact(run.info.run_id, str(figure))
            client.set_tag(run.info.run_id, FIGURE_TAG, sha256)


def _show_comparison(
    client: MlflowClient, runs: Runs, all_results: Sequence[StoredResults]
) -> None:
    """Have a run for these networks together, with the table and the page of all."""
    files = (COMPARISON_FILE, FIGURES_DIR / "accuracy.svg", REPORT_FILE)
    content = digest([sha256_of(file) for file in files])
    key = digest("comparison", [results.spec.key for results in all_results])
    if runs.is_complete(key, content):
        return
    from fashionbench.analysis.comparison_table import to_markdown

    note = to_markdown(read_table(COMPARISON_FILE))
    spec = RunSpec(key=key, name="comparison", note=note, params={})
    run = runs.start(spec, None, restored_by_dvc(COMPARISON_FILE))
    for file in files:
        client.log_artifact(run, str(file))
    client.set_tag(run, CONTENT_TAG, content)
    end(client, run, RunStatus.FINISHED)
