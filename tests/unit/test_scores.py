"""Scores from logits and labels."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from repositories import CLASSES
from safetensors.torch import save_file
from trainings import network

from fashionbench.data.splits import Split
from fashionbench.errors import DataError
from fashionbench.evaluation.scores import (
    best_seed,
    confusion_rows,
    predictions,
    score_rows,
    worst_errors,
)
from fashionbench.evaluation.trained import EvaluationTask, evaluate, run_evaluation
from fashionbench.networks.declared import build, weights_of

LOGITS = torch.eye(10)[[0, 1, 1, 2, 0]] * 5
LABELS = torch.tensor([0, 1, 2, 2, 0])


def test_the_confusion_matrix_has_the_actual_class_first() -> None:
    found = evaluate(LOGITS, LABELS, "logits")
    expected = np.zeros((10, 10), int)
    expected[0, 0], expected[1, 1], expected[2, 1], expected[2, 2] = 2, 1, 1, 1
    assert np.array_equal(found.confusion, expected)
    assert found.accuracy == 0.8
    assert found.class_accuracy[:3].tolist() == [1, 1, 0.5]
    assert np.isnan(found.class_accuracy[3:]).all()


def test_the_surest_errors_come_first_with_their_images() -> None:
    logits = torch.eye(10)[[0, 1, 1, 3, 0]] * torch.tensor([[9.0], [9.0], [2.0], [4.0], [1.0]])
    images = np.arange(5 * 784).reshape(5, 28, 28).astype(np.uint8)
    labels = torch.tensor([0, 1, 2, 2, 5])
    found = evaluate(logits, labels, "logits")
    errors = worst_errors(found, Split(images, labels.byte().numpy()))
    assert errors["predictions"].tolist() == [3, 1, 0]
    assert errors["labels"].tolist() == [2, 2, 5]
    assert np.array_equal(errors["images"], images[[3, 2, 4]])
    expected = [np.e**strength / (np.e**strength + 9) for strength in (4, 2, 1)]
    assert errors["confidences"] == pytest.approx(expected, abs=1e-6)


def test_tables_name_splits_and_classes() -> None:
    found = evaluate(LOGITS, LABELS, "logits")
    by_seed = {4: {"val": found, "test": found}}
    rows = score_rows(by_seed, CLASSES)
    assert [(row["seed"], row["split"]) for row in rows] == [(4, "val"), (4, "test")]
    assert rows[0]["accuracy Pullover"] == 0.5
    confusion = confusion_rows(by_seed, CLASSES)
    assert len(confusion) == 100
    assert sum(int(str(row["images"])) for row in confusion) == 5
    row = {"seed": 4, "actual": "Pullover", "predicted": "Trouser", "images": 1}
    assert row in confusion


def test_predictions_are_named_by_split_and_seed_and_in_the_order_of_the_images() -> None:
    rolled = {shift: evaluate(LOGITS.roll(shift, 0), LABELS, "logits") for shift in range(4)}
    found = {seed: {"val": rolled[seed], "test": rolled[seed + 2]} for seed in (0, 1)}
    labels = {"val": np.array([3], np.uint8), "test": np.array([4], np.uint8)}
    kept = predictions(found, labels)
    assert {name: classes.tolist() for name, classes in kept.items()} == {
        "val_seed_0": [0, 1, 1, 2, 0],
        "val_seed_1": [0, 0, 1, 1, 2],
        "test_seed_0": [2, 0, 0, 1, 1],
        "test_seed_1": [1, 2, 0, 0, 1],
        "val_labels": [3],
        "test_labels": [4],
    }


@pytest.mark.parametrize(
    "spoil",
    [
        Path.unlink,
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: save_file(weights_of(build(network(hidden_sizes=(3,)))), path),
        # A pickle that makes a folder when it is read.
        lambda path: path.write_text(f"cos\nmkdir\n(V{path.parent / 'sprung'}\ntR."),
    ],
    ids=["missing", "truncated", "other network", "pickle"],
)
def test_weights_of_another_network_are_refused_by_name(
    tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    path = tmp_path / "seed_0.safetensors"
    save_file(weights_of(build(network())), path)
    spoil(path)
    task = EvaluationTask(
        network=network(),
        loss_input="logits",
        device="cpu",
        precision="float32",
        weights=path,
        split=tmp_path / "any.safetensors",
    )
    with pytest.raises(DataError, match=r"seed_0.safetensors does not hold the weights of tiny"):
        run_evaluation(task)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("accuracies", "best"),
    [
        ({0: 0.8, 1: 0.9, 2: 0.85}, 1),
        ({2: 0.9, 0: 0.8, 1: 0.9}, 1),
        ({3: 0.0}, 3),
    ],
)
def test_the_best_seed_is_the_most_accurate_and_the_lowest_among_equals(
    accuracies: dict[int, float], best: int
) -> None:
    assert best_seed(accuracies) == best
