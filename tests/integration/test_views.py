"""The saved views of MLflow's page: they show what runs have, and what a user has changed stays."""

import html
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from servers import TrackingServer, tracking_server

from fashionbench.tracking import address
from fashionbench.tracking.address import CHARTS, EXPERIMENT, SCORES
from fashionbench.tracking.store import KIND, locked_store
from fashionbench.tracking.sync import average_scores
from fashionbench.tracking.views import (
    CURVES,
    ENDS,
    MORE_COLUMNS,
    NETWORKS,
    REPLICATES,
    SCORE_COLUMNS,
    VIEW_TAG,
    differing,
    show_experiment,
)
from fashionbench.training.epoch import Epoch

SCORED = {"n4_dropout": 0.8125, "n4_dropout · dropout_prob=0.3": 0.8375}
"""Networks and what they score."""
SCORES_OF_A_RUN = {
    f"final/{split}_{kind}": 0.5 for split in ("val", "test") for kind in ("loss", "accuracy")
}
PARAMS = [
    {"dropout_prob": "0.0", "batch_size": "64", "hidden_sizes": "(128,)", "seeds": "[0, 1]"},
    {"dropout_prob": "0.3", "batch_size": "64", "hidden_sizes": "(128,)", "seeds": "[0]"},
]
NOTE = "mlflow.note.content"
LONGEST = 5000
"""Characters of an experiment's tag in the databases of all servers since MLflow 2."""
PATIENCE_S = 300


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


def tags_after_showing(client: MlflowClient) -> dict[str, str]:
    """Set description and views, and return the experiment's tags."""
    for _ in range(2):  # Again, it changes nothing.
        experiment = client.get_experiment_by_name(EXPERIMENT)
        assert experiment is not None
        tags = dict(experiment.tags)
        show_experiment(client, experiment, PARAMS)
    return tags


def view(client: MlflowClient, key: str) -> dict[str, Any]:
    """Decode a view as MLflow's page does: the state is JSON within JSON."""
    envelope = json.loads(tags_after_showing(client)[f"{VIEW_TAG}{key}"])
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
    state = view(client, SCORES)
    columns = state["selectedColumns"]
    scores = [f"metrics.`{name}`" for name in SCORE_COLUMNS]
    assert columns[: len(scores) + 1] == [*scores, "params.`dropout_prob`"]
    assert state["columnOrder"] == ["attributes.`Run Name`", *columns]
    logged = average_scores([SCORES_OF_A_RUN, SCORES_OF_A_RUN])
    assert {*SCORE_COLUMNS, *MORE_COLUMNS} <= logged.keys()
    (parallel,) = (card for card in state["compareRunCharts"] if card["type"] == "PARALLEL")
    assert parallel["selectedParams"] == ["dropout_prob"]
    assert set(parallel["selectedMetrics"]) == metrics_of(state, "BAR") == set(ENDS)
    assert differing(PARAMS[:1]) == differing([]) == []


def test_the_view_of_charts_draws_what_replicates_log_grouped_by_configuration(
    client: MlflowClient,
) -> None:
    state = view(client, CHARTS)
    assert metrics_of(state, "LINE") == set(CURVES) <= {field.name for field in fields(Epoch)}
    assert metrics_of(state, "BAR") == set(ENDS) <= SCORES_OF_A_RUN.keys()
    (group,) = state["groupBy"]["groupByKeys"]
    assert group == {"mode": "tag", "groupByData": "fashionbench.configuration"}


def test_the_filters_tell_networks_and_replicates_apart(client: MlflowClient) -> None:
    experiment = client.get_experiment_by_name(EXPERIMENT)
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
    tags = tags_after_showing(client)
    assert tags.items() >= KIND.items()
    assert max(map(len, tags.values())) <= LONGEST
    for key in (SCORES, CHARTS):
        found = address.view_address(key)
        assert found is not None
        assert found.startswith("http://127.0.0.1:5000/#/experiments/1/runs?viewStateShareKey=")
        assert f"({found.removeprefix('http://127.0.0.1:5000/')})" in tags[NOTE]


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
    first, removed = tags_after_showing(client), f"{VIEW_TAG}{CHARTS}"
    client.set_experiment_tag("1", NOTE, "mine")
    client.delete_experiment_tag("1", removed)
    changed = {name: value for name, value in first.items() if name != removed}
    assert tags_after_showing(client) == {**changed, NOTE: "mine"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TrackingServer]:
    """Serve an experiment with two networks, each with a replicate."""
    with tracking_server(tmp_path / "server") as server:
        client = MlflowClient(server.uri)
        experiment = client.create_experiment(EXPERIMENT)
        params = []
        for name, score in SCORED.items():
            dropout = name.rpartition("=")[2] if "=" in name else "0.5"
            params.append({"dropout_prob": dropout, "seeds": "[0]"})
            of_runs = {name: params[-1], f"{name} 0": {"dropout_prob": dropout, "seed": "0"}}
            for run_name, known in of_runs.items():
                tags = {"fashionbench.configuration": name}
                run = client.create_run(experiment, run_name=run_name, tags=tags).info.run_id
                metrics = [Metric(column, score, 0, 0) for column in SCORE_COLUMNS]
                metrics += [Metric(curve, score, 0, epoch) for curve in CURVES for epoch in (1, 2)]
                client.log_batch(run, metrics, [Param(*param) for param in known.items()])
                client.set_terminated(run)
        show_experiment(client, client.get_experiment(experiment), params)
        yield server


@pytest.mark.slow(minutes=1)
def test_a_browser_shows_networks_with_their_scores_and_draws_the_curves(
    server: TrackingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)

    def shown(view: str) -> str:
        """Return what is rendered at the address of a view, as HTML."""
        found = address.view_address(view)
        assert found is not None
        assert found.startswith(server.uri)
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=2400,1200"]
        options += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=60000"]
        command = [chromium, *options, "--dump-dom", found]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE_S, check=True
        )
        return html.unescape(done.stdout)

    text = re.sub(r"<[^>]*>", " ", shown(SCORES))
    for word in (*SCORE_COLUMNS, *SCORED, *map(str, SCORED.values())):
        assert word in text
    assert f"{next(iter(SCORED))} 0 " not in text
    page = shown(CHARTS)
    for curve in CURVES:
        assert curve in page
