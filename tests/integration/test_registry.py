"""The networks as MLflow models: selected, described, loaded and served, also elsewhere."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlparse

import numpy as np
import pandas as pd
import pytest
from closures import make_environment
from installed import registry_answers
from mlflow import MlflowClient
from repositories import CLASSES, NETWORKS, Repository
from servers import SERVE, ask, serving
from stores import client_of, files_of, runs_of

from fashionbench.analysis import model_card
from fashionbench.params import Params
from fashionbench.tracking.registry import BEST_MODEL, CHAMPION, describe_champion
from models import ASK, champion_seed, evaluated, thousand

COMPLAINTS: tuple[tuple[Any, str], ...] = (
    ({"inputs": [[0] * 28] * 28}, "images are of shape (28, 28): must be an array of shape"),
    ({"inputs": [[["dark"] * 28] * 28]}, "images are of type"),
    ({"inputs": [[[0] * 28, [0]]]}, "nhomogeneous"),
    ({"inputs": {"image": [0]}}, "images are a dict"),
    ({"dataframe_split": {"columns": ["a"], "data": [[0]]}}, "images are a DataFrame"),
    ({"pixels": []}, "inputs"),
)


def test_champions_are_the_best_by_validation_accuracy(finished: Repository) -> None:
    medians = {}
    for name in NETWORKS:
        scores = pd.read_csv(finished.path / f"metrics/networks/{name}/scores.csv")
        accuracies = scores[scores["split"] == "val"].set_index("seed")["accuracy"]
        assert accuracies[champion_seed(finished, f"fashionbench-{name}")] == accuracies.max()
        medians[name] = accuracies.median()
    best = client_of(finished).get_model_version_by_alias("fashionbench", "champion")
    assert medians[best.tags["fashionbench.network"]] == max(medians.values())


def test_no_artifact_is_a_pickle(finished: Repository) -> None:
    client = client_of(finished)
    models = client.search_logged_models([runs_of(client)[0].info.experiment_id])
    assert len(models) == len(NETWORKS)
    for model in models:
        listed = [file.path for file in client.list_logged_model_artifacts(model.model_id)]
        assert "mlflow_model.py" in listed
        assert not [path for path in listed if path.endswith((".pkl", ".pt", ".pth", ".pickle"))]
    for run in runs_of(client):
        suffixes = {path.rpartition(".")[2] for path in files_of(run)}
        assert suffixes <= {"safetensors", "svg", "csv", "html"}


def test_the_champions_card_is_renewed_with_the_results_but_not_over_a_users_words(
    tmp_path: Path, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    client.create_registered_model(BEST_MODEL)
    version = client.create_model_version(BEST_MODEL, source=str(tmp_path), description="new")
    client.set_registered_model_alias(BEST_MODEL, CHAMPION, version.version)

    def described(results: str) -> str:
        monkeypatch.setattr(model_card, "read_champion", lambda: results)
        monkeypatch.setattr(model_card, "write_card", lambda champion, _: f"card of {champion}")
        describe_champion(client, params)
        return str(client.get_model_version_by_alias(BEST_MODEL, CHAMPION).description)

    assert described("first") == "card of first"
    assert described("second") == "card of second"
    client.update_model_version(BEST_MODEL, "1", "what I think")
    assert described("third") == "what I think"


@pytest.mark.slow
@pytest.mark.tries(
    "mlflow models serve -m models:/fashionbench@champion --env-manager local",
    "mlflow models serve -m models:/fashionbench@champion --env-manager local --port 5001",
)
def test_the_server_gives_the_probabilities_of_the_evaluation_or_says_what_is_wrong(
    finished: Repository,
) -> None:
    expected = evaluated(finished, "fashionbench")
    with serving(finished, SERVE, "ping") as server:
        address = f"{server}/invocations"
        for number in (1, 1000):
            for dtype in ("uint8", "float32"):
                images = thousand(finished)[:number].astype(dtype)
                answer = ask(address, {"inputs": images.tolist()})
                predictions = [[row[name] for name in CLASSES] for row in answer["predictions"]]
                np.testing.assert_allclose(predictions, expected[:number], atol=1e-6)
        for content, complaint in COMPLAINTS:
            with pytest.raises(HTTPError) as refusal:
                ask(address, content)
            assert 400 <= refusal.value.code < 500, content
            said = refusal.value.read().decode()
            assert complaint in said
            assert "Traceback" not in said
            assert "Failed to predict" not in said  # And then the whole input.


@pytest.fixture
def exported(finished: Repository, tmp_path: Path) -> Path:
    """Copy the model of a network to a folder outside of any repository."""
    client = client_of(finished)
    version = client.get_model_version_by_alias("fashionbench-n9_ninth", "champion")
    model = client.get_logged_model(version.tags["fashionbench.model"])
    shutil.copytree(urlparse(model.artifact_location).path, tmp_path / "model")
    return tmp_path


@pytest.mark.slow
def test_elsewhere_a_model_gives_the_same_answers_with_nothing_but_its_own_requirements(
    finished: Repository, exported: Path
) -> None:
    requirements = (exported / "model/requirements.txt").read_text().split()
    assert [text for text in requirements if "==" not in text or "+" in text] == []
    python = make_environment(exported / "environment", requirements)
    np.save(exported / "images.npy", thousand(finished))
    empty = exported / "empty"
    empty.mkdir()
    files = [str(exported / name) for name in ("model", "images.npy", "answers.npy")]
    done = subprocess.run(
        [str(python), "-W", "error::UserWarning:mlflow", "-c", ASK, *files],
        cwd=empty,
        env={"PATH": os.environ["PATH"], "HOME": str(empty)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "fashionbench" not in {path.name for path in python.parents[1].glob("lib/*/*/*")}
    expected = evaluated(finished, "fashionbench-n9_ninth")
    np.testing.assert_allclose(np.load(exported / "answers.npy"), expected, atol=1e-6)


@pytest.mark.packages
def test_pip_finds_the_requirements_of_a_model(exported: Path) -> None:
    """As for ``--env-manager virtualenv``, or in a container; installing them takes minutes."""
    if not registry_answers():
        pytest.skip("no package index answers")
    command = (sys.executable, "-m", "pip", "install", "-q", "--dry-run", "--ignore-installed")
    listed = exported / "model/requirements.txt"
    files = ("--report", str(exported / "found.json"), "-r", str(listed))
    subprocess.run([*command, *files], capture_output=True, text=True, check=True)
    found = json.loads((exported / "found.json").read_text())["install"]
    versions = {f"{one['metadata']['name']}=={one['metadata']['version']}" for one in found}
    assert set(listed.read_text().split()) <= versions


@pytest.mark.slow
@pytest.mark.tries("mlflow models generate-dockerfile -m FOLDER")
def test_mlflow_writes_the_recipe_of_a_container_with_the_model_and_its_code(
    exported: Path,
) -> None:
    command = ("mlflow", "models", "generate-dockerfile", "-m", "model", "-d", "container")
    Repository(exported).run(*command)
    assert "COPY model_dir/model /opt/ml/model" in (exported / "container/Dockerfile").read_text()
    copied = exported / "container/model_dir/model"
    assert (copied / "code/fashionbench/serving/classifier.py").is_file()
    requirements = (exported / "model/requirements.txt").read_text()
    assert (copied / "requirements.txt").read_text() == requirements
