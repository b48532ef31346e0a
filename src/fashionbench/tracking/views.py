"""What MLflow's page of the experiment shows at first sight: its description and saved views.

A saved view is a tag of the experiment, ``mlflow.sharedViewState.`` and the view's key, which holds
its name and its state as JSON; the page lists it, and opens it by ``viewStateShareKey`` in the
address (so MLflow 3.17 and 3.18). The state has the run table's filter, order and columns, and the
charts with the runs grouped in them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from fashionbench.pipeline.dependencies import digest
from fashionbench.tracking.address import CHARTS, SCORES, view_path
from fashionbench.tracking.run_spec import CONFIGURATION_TAG
from fashionbench.tracking.store import belongs_to_user

MODEL_SCORE = "final/val_accuracy"
"""The metric by which models are selected and runs ranked: never one of the test split."""
VIEW_TAG = "mlflow.sharedViewState."
OURS_TAG = "fashionbench.sha256."
"""Tags the experiment with the digest of a tag of ours, by which a changed one is known."""

NETWORKS = "params.seeds LIKE '%'"
"""The filter of the runs of networks: only they have a list of seeds."""
REPLICATES = "params.seed LIKE '%'"
"""The filter of the runs of replicates."""

SCORE_COLUMNS = (
    MODEL_SCORE,
    "final/test_accuracy",
    "interval/test_accuracy_low",
    "interval/test_accuracy_high",
)
"""The metrics that the view of scores shows before the parameters, in its order."""
MORE_COLUMNS = ("interval/val_accuracy_low", "interval/val_accuracy_high", "final/test_loss")
"""Those that it shows after them."""
CURVES = ("val_accuracy", "val_loss", "train_accuracy", "train_loss")
"""The metrics that the view of charts draws by epoch."""
ENDS = (MODEL_SCORE, "final/test_accuracy")
"""The metrics that both views draw as bars."""
_SECTION = "comparison"
_NAME = "attributes.`Run Name`"
_WIDTH = 130
"""Pixels of a column; a name gets twice as many."""


def show_experiment(
    client: MlflowClient, experiment: Experiment, params: Iterable[Mapping[str, str]]
) -> None:
    """Set the experiment's description and views, unless its user has changed them.

    ``params`` are those of the runs of networks.
    """
    columns = differing(params)
    states = {SCORES: scores_view(columns), CHARTS: charts_view()}
    _set(client, experiment, MLFLOW_RUN_NOTE, describe(experiment.experiment_id))
    for key, state in states.items():
        created = experiment.creation_time or 0
        _set(client, experiment, f"{VIEW_TAG}{key}", envelope(key, state, created))


def differing(params: Iterable[Mapping[str, str]]) -> list[str]:
    """Return the names of the parameters that differ between runs, sorted, without ``seeds``."""
    table = pd.DataFrame([dict(of_run) for of_run in params])
    return sorted({str(name) for name in table if table[name].nunique() > 1} - {"seeds"})


def describe(experiment: str) -> str:
    """Return the description of the experiment, given by its id, in Markdown."""
    scores, charts = (f"#{view_path(experiment, key)}" for key in (SCORES, CHARTS))
    return (
        "Networks, trained by `dvc repro` and `dvc exp run`. A run is a network; "
        "its child runs are the replicates, one per seed. A name says which parameters are not the "
        "committed ones.\n\n"
        f"To compare, open a saved view. [Scores]({scores}) has a row per network: means over "
        "seeds with the ends of their 95% intervals, and a column for each parameter that differs. "
        f"[Charts]({charts}) has the learning curves, with the replicates of a configuration as a "
        "group, and parallel coordinates.\n\n"
        "The runs `comparison` hold the page with all results. The registered model `fashionbench` "
        "is the best network.\n"
    )


def scores_view(params: Sequence[str]) -> dict[str, Any]:
    """Return the state of the view that has a row per network, the best first.

    Its charts are parallel coordinates, which MLflow does not draw for groups of runs.
    """
    first, last = (
        [f"metrics.`{metric}`" for metric in metrics] for metrics in (SCORE_COLUMNS, MORE_COLUMNS)
    )
    columns = [*first, *(f"params.`{name}`" for name in params), *last]
    parallel = {"selectedParams": params, "selectedMetrics": ENDS, "showAllRuns": True}
    return _search(NETWORKS) | {
        "selectedColumns": columns,
        "columnOrder": [_NAME, *columns],
        "columnWidths": {_NAME: 2 * _WIDTH} | dict.fromkeys(columns, _WIDTH),
        **_charts([_card("PARALLEL", "parallel", **parallel), *_bars()]),
    }


def charts_view() -> dict[str, Any]:
    """Return the state of the view that draws curves and scores of configurations."""
    lines = [_card("LINE", metric, metricKey=metric) for metric in CURVES]
    group = {"mode": "tag", "groupByData": CONFIGURATION_TAG}
    return _search(REPLICATES) | {
        "groupBy": {"aggregateFunction": "average", "groupByKeys": [group]},
        **_charts([*lines, *_bars()]),
    }


def _search(runs: str) -> dict[str, Any]:
    return {"searchFilter": runs, "orderByKey": f"metrics.`{MODEL_SCORE}`", "orderByAsc": False}


def _bars() -> list[dict[str, Any]]:
    return [_card("BAR", metric, metricKey=metric) for metric in ENDS]


def _charts(cards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "compareRunSections": [{"uuid": _SECTION, "name": _SECTION, "display": True}],
        "compareRunCharts": cards,
        "runsHiddenMode": "FIRST_20_RUNS",
    }


def _card(kind: str, uuid: str, **fields: Any) -> dict[str, Any]:
    common = {"type": kind, "uuid": uuid, "metricSectionId": _SECTION, "isGenerated": False}
    return common | {"deleted": False, "runsCountToCompare": 20} | fields


def envelope(name: str, state: Mapping[str, Any], created: int) -> str:
    """Return a view as MLflow stores it; ``created`` is in milliseconds since 1970."""
    times = {"createdAt": created, "updatedAt": created}
    return json.dumps({"name": name, **times, "state": json.dumps(state)})


def _set(client: MlflowClient, experiment: Experiment, tag: str, value: str) -> None:
    """Set a tag, unless somebody has changed or removed what was set before."""
    found, ours = (experiment.tags.get(name) for name in (tag, f"{OURS_TAG}{tag}"))
    if found != value and not belongs_to_user(found, ours):
        client.set_experiment_tag(experiment.experiment_id, tag, value)
        client.set_experiment_tag(experiment.experiment_id, f"{OURS_TAG}{tag}", digest(value))
