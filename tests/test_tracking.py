"""What lands in a real SQLite store of MLflow."""

from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from conftest import network
from mlflow import MlflowClient
from mlflow.entities import Run
from safetensors.torch import load_file, save_file

from fashionbench.dependencies import sha256_of
from fashionbench.errors import TrainingError
from fashionbench.examples import Examples
from fashionbench.networks import Classifier, build, restore, weights_of
from fashionbench.params import Hyperparameters
from fashionbench.tracking import log_scores, track_network
from fashionbench.training import Epoch

DECLARED = network(hidden_sizes=(4,), dropout_prob=0.5)


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of its own for each test, as DVC would name it to a stage."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("DVC_STAGE", "train@tiny")
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "DVC_EXP_NAME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def runs(root: Path) -> dict[str, Run]:
    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("fashionbench")
    assert experiment is not None
    return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


def row(seed: int, epoch: int) -> Epoch:
    return Epoch(
        seed=seed,
        epoch=epoch,
        train_objective=2.0,
        train_loss=1.9,
        train_accuracy=0.5,
        val_loss=1.0 / epoch,
        val_accuracy=0.6,
    )


def track(root: Path, how: Hyperparameters) -> dict[int, Path]:
    """Track a made-up training of two seeds; its weights files by seed."""
    weights = {}
    with track_network(DECLARED, how, (0, 5)) as tracked:
        for seed in (0, 5):
            weights[seed] = root / f"seed_{seed}.safetensors"
            state = weights_of(build(DECLARED))
            save_file({name: t + seed for name, t in state.items()}, weights[seed])
            for epoch in (1, 2):
                tracked.log_epoch(row(seed, epoch))
            tracked.log_weights(seed, weights[seed])
        tracked.log_model(5, weights[5])
    return weights


def test_a_network_is_a_parent_and_a_child_a_seed(root: Path, how: Hyperparameters) -> None:
    weights = track(root, how)
    found = runs(root)
    assert found.keys() == {"tiny", "tiny seed 0", "tiny seed 5"}
    parent, child = found["tiny"], found["tiny seed 5"]
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert child.data.tags["dvc.stage"] == "train@tiny"
    assert child.data.tags["fashionbench.weights_sha256"] == sha256_of(weights[5])
    assert child.data.tags["version.torch"] == torch.__version__.split("+")[0]
    assert child.data.tags["machine.threads_per_replicate"] == "1"
    assert child.data.params["dropout_prob"] == "0.5"
    assert child.data.params["learning_rate"] == "0.001"
    assert child.data.params["seed"] == "5"
    assert parent.data.params["seeds"] == "[0, 5]"
    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    history = client.get_metric_history(child.info.run_id, "val_loss")
    assert [(point.step, point.value) for point in history] == [(1, 1.0), (2, 0.5)]
    artifacts = client.list_artifacts(child.info.run_id, "weights")
    assert [artifact.path for artifact in artifacts] == ["weights/seed_5.safetensors"]


def test_the_model_is_served_from_raw_pixels(
    root: Path, how: Hyperparameters, test_examples: Examples
) -> None:
    weights = track(root, how)
    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    (model,) = client.search_logged_models([runs(root)["tiny"].info.experiment_id])
    assert model.name == "tiny"
    loaded = mlflow.pyfunc.load_model(model.model_uri)
    pixels = test_examples.images.numpy().astype(np.float32)
    module = restore(DECLARED, load_file(weights[5]), "cpu")
    with torch.no_grad():
        expected = Classifier(module).eval()(torch.from_numpy(pixels)).numpy()
    for batch in (1, 100):
        np.testing.assert_allclose(loaded.predict(pixels[:batch]), expected[:batch], atol=1e-6)


def test_scores_find_their_runs_by_the_weights(root: Path, how: Hyperparameters) -> None:
    weights = track(root, how)
    scores = {0: {"final_test_accuracy": 0.8}, 5: {"final_test_accuracy": 0.9}}
    assert log_scores(weights, scores) == []
    found = runs(root)
    assert found["tiny seed 5"].data.metrics["final_test_accuracy"] == 0.9
    parent = found["tiny"].data.metrics
    assert parent["final_test_accuracy_mean"] == pytest.approx(0.85)
    assert parent["final_test_accuracy_low"] < 0.8 < 0.9 < parent["final_test_accuracy_high"]
    assert parent["final_test_accuracy_n"] == 2


def test_scores_of_weights_that_mlflow_never_saw_are_reported(
    root: Path, how: Hyperparameters
) -> None:
    weights = track(root, how)
    stranger = root / "stranger"
    stranger.write_bytes(b"other weights")
    scores = {0: {"accuracy": 0.8}, 7: {"accuracy": 0.9}}
    assert log_scores({0: weights[0], 7: stranger}, scores) == [7]


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError("wrong"), "FAILED"), (KeyboardInterrupt(), "KILLED")]
)
def test_a_training_that_breaks_off_is_marked(
    root: Path, how: Hyperparameters, error: BaseException, status: str
) -> None:
    with pytest.raises(type(error)), track_network(DECLARED, how, (0,)):
        raise error
    assert {run.info.status for run in runs(root).values()} == {status}


def test_below_mlflow_run_the_runs_are_new_and_name_their_launcher(
    root: Path, how: Hyperparameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "launcher")
    monkeypatch.setenv("DVC_EXP_NAME", "bold-try")
    track(root, how)
    found = runs(root)
    assert len(found) == 3
    for run in found.values():
        assert run.info.run_id != "launcher"
        assert run.data.tags["mlflow_run.id"] == "launcher"
        assert run.data.tags["dvc.experiment"] == "bold-try"


def test_a_tracking_uri_of_the_user_wins(
    root: Path, how: Hyperparameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = root / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # Earlier tests have set one.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{other / 'mlflow.db'}")
    with track_network(DECLARED, how, (0,)):
        pass
    assert len(runs(other)) == 2
    assert not (root / "mlflow.db").exists()


def test_a_store_that_is_away_stops_nothing_and_no_password_is_shown(
    how: Hyperparameters,
    monkeypatch: pytest.MonkeyPatch,
    root: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Nothing listens on port 9 of this machine.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    weights = track(root, how)
    assert log_scores(weights, {0: {"accuracy": 0.8}, 5: {"accuracy": 0.9}}) == []
    warnings = [record.getMessage() for record in caplog.records]
    assert len([text for text in warnings if "MLflow cannot be told of this stage" in text]) == 2
    assert "secret" not in caplog.text


def test_no_credentials_reach_the_store(
    how: Hyperparameters, monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "someone")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "Tr0ub4dor")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "Tr0ub4dor")
    track(root, how)
    files = [path for path in root.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [path for path in files if b"Tr0ub4dor" in path.read_bytes()] == []


def test_a_diverged_replicate_is_marked_and_the_finished_ones_are_not(
    root: Path, how: Hyperparameters
) -> None:
    weights = root / "seed_0.safetensors"
    save_file(weights_of(build(DECLARED)), weights)

    def diverge() -> None:
        with track_network(DECLARED, how, (0, 5)) as tracked:
            tracked.log_weights(0, weights)
            tracked.log_divergence(5, "the loss of epoch 3 is not a finite number")
            raise TrainingError("tiny diverged")

    with pytest.raises(TrainingError):
        diverge()
    found = runs(root)
    status = {name: run.info.status for name, run in found.items()}
    assert status == {"tiny": "FAILED", "tiny seed 0": "FINISHED", "tiny seed 5": "FAILED"}
    tags = found["tiny seed 5"].data.tags
    assert tags["fashionbench.diverged"] == "the loss of epoch 3 is not a finite number"
