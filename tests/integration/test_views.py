"""The saved views of MLflow's page: they name what runs have, and what a user has changed stays."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from fashionbench.tracking import address
from fashionbench.tracking.address import EXPERIMENT
from fashionbench.tracking.store import KIND, locked_store
from fashionbench.tracking.sync import average_scores
from fashionbench.tracking.views import (
    CURVES,
    ENDS,
    LONGEST,
    MORE_COLUMNS,
    NETWORKS,
    REPLICATES,
    SCORE_COLUMNS,
    VIEW_TAG,
    differing,
    show_experiment,
)
from fashionbench.training.epoch import Epoch

SCORES = {
    f"final/{split}_{kind}": 0.5 for split in ("val", "test") for kind in ("loss", "accuracy")
}
PARAMS = [
    {"dropout_prob": "0.0", "batch_size": "64", "hidden_sizes": "(128,)", "seeds": "[0, 1]"},
    {"dropout_prob": "0.3", "batch_size": "64", "hidden_sizes": "(128,)", "seeds": "[0]"},
]


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """Work in an empty folder with a store of its own, and an experiment in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert address.view_address() is None
    assert not (tmp_path / "mlflow.db").exists()
    with locked_store():
        pass
    return MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")


def tags_of(client: MlflowClient) -> dict[str, str]:
    return dict(client.get_experiment_by_name(EXPERIMENT).tags)  # type: ignore[union-attr]


def show(client: MlflowClient) -> None:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    show_experiment(client, experiment, PARAMS)


def view(client: MlflowClient, key: str) -> dict[str, Any]:
    """Decode a view as MLflow's page does: the state is JSON within JSON."""
    envelope = json.loads(tags_of(client)[f"{VIEW_TAG}{key}"])
    assert envelope["name"] == key
    assert all(isinstance(envelope[time], int) for time in ("createdAt", "updatedAt"))
    state = json.loads(envelope["state"])
    assert isinstance(state, dict)
    return state


def metrics_of(state: dict[str, Any], kind: str) -> set[str]:
    """Return the metrics that a view's charts of a kind draw; all stand in its one section."""
    (section,) = state["compareRunSections"]
    assert {card["metricSectionId"] for card in state["compareRunCharts"]} == {section["uuid"]}
    return {card["metricKey"] for card in state["compareRunCharts"] if card["type"] == kind}


def test_the_view_of_scores_has_a_column_per_score_and_differing_parameter(
    client: MlflowClient,
) -> None:
    show(client)
    state = view(client, address.SCORES)
    columns = state["selectedColumns"]
    scores = [f"metrics.`{name}`" for name in SCORE_COLUMNS]
    assert columns[: len(scores) + 1] == [*scores, "params.`dropout_prob`"]
    assert state["columnOrder"] == ["attributes.`Run Name`", *columns]
    assert {*SCORE_COLUMNS, *MORE_COLUMNS} <= average_scores([SCORES, SCORES]).keys()
    (parallel,) = (card for card in state["compareRunCharts"] if card["type"] == "PARALLEL")
    assert parallel["selectedParams"] == ["dropout_prob"]
    assert set(parallel["selectedMetrics"]) == metrics_of(state, "BAR") == set(ENDS)
    assert tags_of(client).items() >= KIND.items()
    assert max(map(len, tags_of(client).values())) <= LONGEST


def test_the_view_of_charts_draws_what_replicates_log_grouped_by_configuration(
    client: MlflowClient,
) -> None:
    show(client)
    state = view(client, address.CHARTS)
    assert metrics_of(state, "LINE") == set(CURVES) <= {field.name for field in fields(Epoch)}
    assert metrics_of(state, "BAR") == set(ENDS) <= SCORES.keys()
    (group,) = state["groupBy"]["groupByKeys"]
    assert group == {"mode": "tag", "groupByData": "fashionbench.configuration"}


def test_the_filters_tell_networks_and_replicates_apart(client: MlflowClient) -> None:
    experiment = tags_of(client) and client.get_experiment_by_name(EXPERIMENT)
    assert experiment
    for name, params in (("network", {"seeds": "[0]"}), ("replicate", {"seed": "0"}), ("page", {})):
        run = client.create_run(experiment.experiment_id, run_name=name).info.run_id
        client.log_batch(run, [Metric("x", 1, 0, 0)], [Param(*param) for param in params.items()])
    for query, name in ((NETWORKS, "network"), (REPLICATES, "replicate")):
        (found,) = client.search_runs([experiment.experiment_id], query)
        assert found.info.run_name == name


def test_the_description_leads_to_both_views_and_the_address_is_printed(
    client: MlflowClient,
) -> None:
    show(client)
    note = tags_of(client)["mlflow.note.content"]
    for key in (address.SCORES, address.CHARTS):
        found = address.view_address(key)
        assert found is not None
        assert found.startswith("http://127.0.0.1:5000/#/experiments/1/runs?viewStateShareKey=")
        assert f"({found.removeprefix('http://127.0.0.1:5000/')})" in note


def test_the_address_of_a_server_is_known_without_asking_it_and_no_password_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    # Nothing listens on port 9 of this machine.
    uri = "http://me:secret@127.0.0.1:9"
    address.remember_experiment(uri, "7")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert str(address.view_address()).startswith("http://127.0.0.1:9/#/experiments/7/runs?")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [b"secret" in file.read_bytes() for file in files] == [False]
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert address.view_address() is None


def test_what_a_user_has_changed_or_removed_stays(client: MlflowClient) -> None:
    show(client)
    first = tags_of(client)
    show(client)
    assert tags_of(client) == first
    note, removed = "mlflow.note.content", f"{VIEW_TAG}{address.CHARTS}"
    client.set_experiment_tag("1", note, "mine")
    client.delete_experiment_tag("1", removed)
    show(client)
    assert tags_of(client) == {**{k: v for k, v in first.items() if k != removed}, note: "mine"}


def test_parameters_that_differ_are_found() -> None:
    assert differing(PARAMS) == ["dropout_prob"]
    assert differing(PARAMS[:1]) == differing([]) == []
