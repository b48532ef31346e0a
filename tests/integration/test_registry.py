"""The networks as MLflow models: selected, loaded, served and used for predictions."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch
from interruptions import wait_until
from PIL import Image
from repositories import NETWORKS, Repository
from safetensors.torch import load_file
from servers import HOST, answers, free_port
from stores import client_of, files_of, runs_of

from fashionbench.data.splits import CLASSES, load_split
from fashionbench.params import load_params
from fashionbench.training.networks import infer, restore

ASK = """
import sys, mlflow, numpy
images = numpy.load(sys.argv[2])
model = mlflow.pyfunc.load_model(sys.argv[1])
numpy.save(sys.argv[3], model.predict(images))
alone = numpy.concatenate([model.predict(images[i : i + 1].astype("float32")) for i in range(3)])
assert abs(alone - model.predict(images)[:3]).max() < 1e-6
"""
SERVE = "mlflow models serve -m models:/fashionbench@champion --env-manager local"
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


def thousand(repository: Repository) -> npt.NDArray[np.uint8]:
    """The test images of the sample, ten times over."""
    images = load_split(repository.path / "data/prepared/test.safetensors").images
    return np.tile(images, (10, 1, 1))


def evaluated(repository: Repository, name: str) -> npt.NDArray[np.float32]:
    """The probabilities of a registered model for those images, as the evaluation computes them."""
    version = client_of(repository).get_model_version_by_alias(name, "champion")
    network, seed = (version.tags[f"fashionbench.{tag}"] for tag in ("network", "model_seed"))
    weights = load_file(repository.path / f"models/{network}/seed_{seed}.safetensors")
    declared = load_params(repository.path / "params.yaml").network(network)
    logits = infer(restore(declared, weights, "cpu"), torch.from_numpy(thousand(repository)))
    probabilities: npt.NDArray[np.float32] = logits.softmax(dim=1).numpy()
    return probabilities


def champion_seed(repository: Repository, name: str) -> int:
    version = client_of(repository).get_model_version_by_alias(name, "champion")
    return int(version.tags["fashionbench.model_seed"])


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


@contextmanager
def served(repository: Repository) -> Iterator[str]:
    """The address at which the README's command serves the best network in this block."""
    port = free_port()
    with (repository.path / ".dvc/tmp/serve.log").open("wb") as log:
        process = subprocess.Popen(
            [*SERVE.split(), "--port", str(port)],
            cwd=repository.path,
            env=repository.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_until(lambda: answers(f"http://{HOST}:{port}/ping"), seconds=120)
        yield f"http://{HOST}:{port}/invocations"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def ask(address: str, content: Any) -> Any:
    headers = {"Content-Type": "application/json"}
    request = Request(address, json.dumps(content).encode(), headers)
    with urlopen(request, timeout=60) as answer:
        return json.load(answer)


@pytest.mark.slow
@pytest.mark.tries(
    "mlflow models serve -m models:/fashionbench@champion --env-manager local",
    "mlflow models serve -m models:/fashionbench@champion --env-manager local --port 5001",
)
def test_the_server_gives_the_probabilities_of_the_evaluation_or_says_what_is_wrong(
    finished: Repository,
) -> None:
    expected = evaluated(finished, "fashionbench")
    with served(finished) as address:
        for number in (1, 1000):
            for dtype in ("uint8", "float32"):
                images = thousand(finished)[:number].astype(dtype)
                answer = ask(address, {"inputs": images.tolist()})
                predictions = np.array(answer["predictions"])
                np.testing.assert_allclose(predictions, expected[:number], atol=1e-6)
        for content, complaint in COMPLAINTS:
            with pytest.raises(HTTPError) as refusal:
                ask(address, content)
            assert 400 <= refusal.value.code < 500, content
            said = refusal.value.read().decode()
            assert complaint in said
            assert "Traceback" not in said


@pytest.mark.slow
@pytest.mark.tries(
    "fashionbench predict",
    "fashionbench predict IMAGE...",
    "fashionbench predict --network n5_batch_norm IMAGE...",
)
def test_predict_names_classes_and_what_it_did_to_the_picture(finished: Repository) -> None:
    image = thousand(finished)[0]
    plain, photograph = (finished.path / ".dvc/tmp" / name for name in ("plain.png", "photo.jpg"))
    Image.fromarray(image).save(plain)
    Image.fromarray(255 - image).convert("RGB").resize((280, 280)).save(photograph)
    command = ("fashionbench", "predict", "--network", "n9_ninth", str(plain), str(photograph))
    first, second, third = finished.run(*command).stdout.splitlines()
    seed = champion_seed(finished, "fashionbench-n9_ninth")
    assert first == f"classified by n9_ninth seed {seed}, version 1 of fashionbench-n9_ninth"
    probabilities = evaluated(finished, "fashionbench-n9_ninth")[0]
    likeliest = int(probabilities.argmax())
    assert second.startswith(f"{plain}: {CLASSES[likeliest]} {probabilities[likeliest]:.1%}, ")
    assert second.endswith("(used as it is)")
    assert third.endswith("(made grey, inverted, resized from 280 x 280)")
    best = finished.run("fashionbench", "predict", str(plain)).stdout.splitlines()[0]
    assert best.endswith("version 1 of fashionbench")


@pytest.mark.slow
def test_predict_says_what_it_cannot_ask(copied: Repository) -> None:
    unknown = copied.run("fashionbench", "predict", "--network", "n2", "a.png", check=False)
    assert unknown.returncode == 1
    assert "network 'n2' is not declared" in unknown.stderr
    (copied.path / "mlflow.db").unlink()
    image = copied.path / ".dvc/tmp/plain.png"
    Image.new("L", (28, 28)).save(image)
    missing = copied.run("fashionbench", "predict", str(image), check=False)
    assert missing.returncode == 1
    assert "MLflow has no model fashionbench@champion" in missing.stderr
    assert "run dvc repro" in missing.stderr
    assert "Traceback" not in missing.stderr
