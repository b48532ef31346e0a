"""Networks of every kind in the whole pipeline: plain layers, modules of one's own, own seeds."""

import subprocess
import sys
from contextlib import chdir
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from repositories import Repository, add_study, environment, make_repository
from stores import by_name, client_of

from models import ASK, evaluated, thousand

BY_DATA = """
import torch
from torch import nn

class ByData(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(784, 8), nn.Linear(8, 10)

    def forward(self, images):
        x = self.first(images.flatten(1))
        return self.last(x.relu() if x.sum() > 0 else x.tanh())
"""
NETWORKS: dict[str, dict[str, Any]] = {
    "n9_residual": {
        "module": "networks/residual.py:Residual",
        "arguments": {"width": 4},
        "dropout": "dropout_prob",
    },
    "by_data": {"module": "networks/by_data.py:ByData"},
    "plain": {
        "conv_filters": [2],
        "hidden_sizes": [8],
        "activation": "tanh",
        "padding": "valid",
        "input_dropout": 0.1,
        "own": {"seeds": [1, 2, 3]},
    },
}
_STAGES = ("train", "evaluate")
STUDY = """
title: Less dropout
question: Does the residual network need dropout?
cost: seconds
losses: [probabilities]
seeds: 2
networks: {n9_residual: {}}
factors: {dropout_prob: [0.5, 0.3]}
claims:
  - number: 101
    words: Less dropout gains
    conditions:
      - {value: accuracy, of: n9_residual, minus: n9_residual_dropout_prob_0_3, below: 0}
    why: In pairs of equal seeds.
"""


@pytest.mark.slow(minutes=3)
def test_networks_of_every_kind_go_the_whole_way(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository")
    (repository.path / "networks/by_data.py").write_text(BY_DATA)
    repository.change_params(networks=NETWORKS, seeds=[0, 1], num_epochs=1)
    repository.commit("networks of every kind")
    said = repository.run("dvc", "repro").stderr
    assert "by_data: its bits hold for this kind of processor only, because of what it does" in said
    assert_results(repository)
    assert_served(repository, tmp_path)
    assert_reruns(repository)
    assert_studied(repository)


def assert_results(repository: Repository) -> None:
    """Assert that every network is in the tables, on the page and in MLflow."""
    comparison = pd.read_csv(repository.path / "metrics/comparison.csv").set_index("network")
    assert comparison["seeds"].to_dict() == dict.fromkeys(NETWORKS, 2) | {"plain": 3}
    pairs = pd.read_csv(repository.path / "metrics/pairs.csv")
    of_others = pairs[pairs["second"] == "plain"]
    assert set(of_others["seeds"]) == {1}
    assert of_others[["welch", "superiority"]].notna().all(axis=None)
    reasons = comparison["bits"][comparison["bits"] != "portable"]
    assert list(reasons.index) == ["by_data"]
    page = (repository.path / "metrics/report.html").read_text()
    assert "2 to 3 seeds" in page
    for name in NETWORKS:
        assert f'<h3 id="network-{name}">' in page
    assert '<th scope="row">by_data*</th>' in page
    assert f"by_data: {reasons.iloc[0]}" in repository.run("fashionbench", "table").stdout
    runs = by_name(client_of(repository))
    assert "the module networks/residual.py:Residual(width=4) with dropout 0.5" in str(
        runs["n9_residual"].data.tags["mlflow.note.content"]
    )
    marked = {name for name, run in runs.items() if "fashionbench.bits" in run.data.tags}
    assert marked == {"by_data", *(f"by_data seed {seed}" for seed in (0, 1))}


def assert_served(repository: Repository, folder: Path) -> None:
    """Assert that models answer elsewhere, with the code that they were trained with."""
    image = repository.path / ".dvc/tmp/image.png"
    Image.fromarray(thousand(repository)[0]).save(image)
    np.save(folder / "images.npy", thousand(repository))
    for name in ("n9_residual", "by_data"):
        with chdir(repository.path):  # Where its module lies.
            expected = evaluated(repository, f"fashionbench-{name}")
        asked = repository.run("fashionbench", "predict", "--network", name, str(image)).stdout
        assert f"{expected[0].max():.1%}" in asked
        client = client_of(repository)
        version = client.get_model_version_by_alias(f"fashionbench-{name}", "champion")
        model = client.get_logged_model(version.tags["fashionbench.model"])
        place = Path(urlparse(model.artifact_location).path)
        file = NETWORKS[name]["module"].partition(":")[0]
        assert list((place / "code/networks").iterdir()) == [place / "code" / file]
        empty = folder / f"elsewhere_{name}"
        empty.mkdir()
        subprocess.run(
            [sys.executable, "-c", ASK, place, folder / "images.npy", empty / "answers.npy"],
            cwd=empty,
            env=environment(),
            check=True,
        )
        np.testing.assert_array_equal(np.load(empty / "answers.npy"), expected)


def assert_reruns(repository: Repository) -> None:
    """Assert that a change reruns the stages of those networks that it can change."""
    own = {f"{stage}@n9_residual" for stage in _STAGES}
    module = repository.path / "networks/residual.py"
    before = module.read_text()
    module.write_text(f"{before}# An edit.\n")
    assert stages_to_run(repository) == own
    module.write_text(before)
    repository.change_params(dropout_prob=0.3)
    assert stages_to_run(repository) == own
    repository.change_params(dropout_prob=0.5)


def stages_to_run(repository: Repository) -> set[str]:
    """Return which stages of networks DVC would run, once the stage check has."""
    repository.run("dvc", "repro", "check")
    stages = [f"{stage}@{name}" for stage in _STAGES for name in NETWORKS]
    said = repository.run("dvc", "status", *stages).stdout
    return {line.rstrip(":") for line in said.splitlines() if "@" in line}


def assert_studied(repository: Repository) -> None:
    """Assert that a study trains and scores a module of the project."""
    folder = add_study(repository, "less", STUDY)
    repository.run("dvc", "repro", str(folder / "dvc.yaml:compare"))
    comparison = pd.read_csv(folder / "metrics/comparison.csv")
    assert list(comparison["network"]) == ["n9_residual", "n9_residual_dropout_prob_0_3"]
