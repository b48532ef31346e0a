"""Which images are right, from files in the pipeline's layout."""

from pathlib import Path

import numpy as np
import pytest

from fashionbench.analysis.results import read_correct, stacked
from fashionbench.errors import DataError
from fashionbench.paths import predictions_file
from fashionbench.tables import write_arrays


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write predictions of one network with two seeds."""
    monkeypatch.chdir(tmp_path)
    rows = {"val_labels": [3, 1, 4], "val_seed_0": [3, 1, 4], "val_seed_7": [3, 0, 0]}
    kept = {name: np.array(row, np.uint8) for name, row in rows.items()}
    write_arrays(kept, predictions_file("one"))
    return tmp_path


def test_predictions_are_compared_with_labels(folder: Path) -> None:
    found = read_correct(folder, {"one": [0, 7]}, "val")
    assert list(found["one"]) == [0, 7]
    assert stacked(found["one"]).tolist() == [[True, True, True], [True, False, False]]


def test_images_of_one_class_are_told_apart(folder: Path) -> None:
    found = read_correct(folder, {"one": [0, 7]}, "val", of_class=1)
    assert stacked(found["one"]).tolist() == [[True], [False]]


def test_a_network_without_predictions_is_left_out(folder: Path) -> None:
    assert list(read_correct(folder, {"one": [0], "two": [0]}, "val")) == ["one"]
    assert read_correct(folder / "studies/logits", {"one": [0]}, "val") == {}


def test_what_does_not_fit_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"does not hold .* seeds \[0, 5\].*-s evaluate@one"):
        read_correct(folder, {"one": [0, 5]}, "val")
    predictions_file("one").write_text("{}")
    with pytest.raises(DataError, match=r"one.json cannot be read .* run dvc repro"):
        read_correct(folder, {"one": [0]}, "val")
