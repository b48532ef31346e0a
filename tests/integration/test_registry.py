"""The networks as MLflow models: selected, loaded, served and used for predictions."""

from typing import Any
from urllib.error import HTTPError

import numpy as np
import pandas as pd
import pytest
from repositories import CLASSES, NETWORKS, Repository
from servers import SERVE, ask, serving
from stores import client_of, files_of, runs_of

from models import ASK, champion_seed, evaluated, thousand

COMPLAINTS: tuple[tuple[Any, str], ...] = (
    ({"inputs": [[0] * 28] * 28}, "images are of shape (28, 28): must be an array of shape"),
    ({"inputs": [[[0] * 28] * 27]}, "images are of shape (1, 27, 28)"),
    ({"inputs": [[["dark"] * 28] * 28]}, "images are of type"),
    ({"inputs": [[[-1] * 28] * 28]}, "pixels are from -1 to -1"),
    ({"inputs": [[[0] * 28, [0]]]}, "nhomogeneous"),
    ({"inputs": {"image": [0]}}, "images are a dict"),
    ({"dataframe_split": {"columns": ["a"], "data": [[0]]}}, "images are a DataFrame"),
    ({"pixels": []}, "inputs"),
)


def val_accuracies(repository: Repository, name: str) -> dict[int, float]:
    scores = pd.read_csv(repository.path / f"metrics/networks/{name}/scores.csv")
    val = scores[scores["split"] == "val"]
    return dict(zip(val["seed"], val["accuracy"], strict=True))


def test_champions_are_the_best_by_validation_accuracy(finished: Repository) -> None:
    folders = sorted((finished.path / "metrics/networks").iterdir())
    by_network = {folder.name: val_accuracies(finished, folder.name) for folder in folders}
    for name, accuracies in by_network.items():
        seed = champion_seed(finished, f"fashionbench-{name}")
        assert accuracies[seed] == max(accuracies.values())
    best = client_of(finished).get_model_version_by_alias("fashionbench", "champion")
    means = {name: np.mean(list(accuracies.values())) for name, accuracies in by_network.items()}
    assert means[best.tags["fashionbench.network"]] == max(means.values())


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


@pytest.mark.slow
def test_a_loaded_model_gives_the_probabilities_of_the_evaluation(finished: Repository) -> None:
    tmp = finished.path / ".dvc/tmp"
    np.save(tmp / "images.npy", thousand(finished))
    uri = "models:/fashionbench-n9_ninth@champion"
    files = (str(tmp / "images.npy"), str(tmp / "answers.npy"))
    finished.run("python", "-W", "error::UserWarning:mlflow", "-c", ASK, uri, *files)
    expected = evaluated(finished, "fashionbench-n9_ninth")
    np.testing.assert_allclose(np.load(tmp / "answers.npy"), expected, atol=1e-6)


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
