"""MLflow's page of the experiment in a real browser, opened at the address of a view."""

import html
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from servers import TrackingServer, tracking_server

from fashionbench.tracking.address import CHARTS, SCORES, view_address
from fashionbench.tracking.views import CURVES, SCORE_COLUMNS, show_experiment

NETWORKS = {"n4_dropout": 0.8125, "n4_dropout · dropout_prob=0.3": 0.8375}
PATIENCE_S = 300


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TrackingServer]:
    """Serve an experiment with two networks, each with a replicate."""
    with tracking_server(tmp_path / "server") as server:
        client = MlflowClient(server.uri)
        experiment = client.create_experiment("fashionbench")
        for name, score in NETWORKS.items():
            log(client, experiment, name, score)
        params = [run.data.params for run in client.search_runs([experiment])]
        show_experiment(
            client, client.get_experiment(experiment), [p for p in params if "seeds" in p]
        )
        yield server


def log(client: MlflowClient, experiment: str, name: str, score: float) -> None:
    """Log a network's run and that of its only replicate."""
    dropout = Param("dropout_prob", name.rpartition("=")[2] if "=" in name else "0.5")
    for run_name, seeds in ((name, Param("seeds", "[0]")), (f"{name} 0", Param("seed", "0"))):
        tags = {"fashionbench.configuration": name}
        run = client.create_run(experiment, run_name=run_name, tags=tags).info.run_id
        metrics = [Metric(column, score, 0, 0) for column in SCORE_COLUMNS]
        metrics += [Metric(curve, score, 0, epoch) for curve in CURVES for epoch in (1, 2)]
        client.log_batch(run, metrics, [dropout, seeds])
        client.set_terminated(run)


def shown(server: TrackingServer, view: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what chromium has rendered at the address of a view, as HTML."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    address = view_address(view)
    assert address is not None
    assert address.startswith(server.uri)
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=2400,1200"]
    options += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=60000"]
    done = subprocess.run(
        [chromium, *options, "--dump-dom", address],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    return html.unescape(done.stdout)


@pytest.mark.slow(minutes=1)
def test_the_views_show_networks_with_their_scores_and_draw_the_curves(
    server: TrackingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = shown(server, SCORES, tmp_path, monkeypatch)
    text = re.sub(r"<[^>]*>", " ", page)
    for column in SCORE_COLUMNS:
        assert column in text
    for name, score in NETWORKS.items():
        assert name in text
        assert str(score) in text
    assert f"{next(iter(NETWORKS))} 0 " not in text

    page = shown(server, CHARTS, tmp_path, monkeypatch)
    for curve in CURVES:
        assert curve in page
