"""Which images are right, from files in the pipeline's layout."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from fashionbench.analysis.correctness import read_correct, read_labels
from fashionbench.errors import DataError
from fashionbench.paths import predictions_file, split_file


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write labels, and predictions of one network with two seeds."""
    monkeypatch.chdir(tmp_path)
    for split in ("val", "test"):
        split_file(split).parent.mkdir(parents=True, exist_ok=True)
        save_file({"labels": np.array([3, 1, 4], np.uint8)}, split_file(split))
    predictions_file("one").parent.mkdir(parents=True)
    rows = {"val_seed_0": [3, 1, 4], "val_seed_7": [3, 0, 0]}
    predicted = {name: np.array(row, np.uint8) for name, row in rows.items()}
    save_file(predicted, predictions_file("one"))
    return tmp_path


def test_predictions_are_compared_with_labels(folder: Path) -> None:
    found = read_correct(folder, ["one"], [0, 7], "val")
    assert found["one"].tolist() == [[True, True, True], [True, False, False]]


@pytest.mark.usefixtures("folder")
def test_labels_are_read_without_images() -> None:
    # The file of the test split has none here.
    assert read_labels("test").tolist() == [3, 1, 4]


def test_a_network_without_predictions_is_left_out(folder: Path) -> None:
    assert list(read_correct(folder, ["one", "two"], [0], "val")) == ["one"]
    assert read_correct(folder / "studies/logits", ["one"], [0], "val") == {}


def test_what_does_not_fit_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"does not hold .* seeds \[0, 5\].*-s evaluate@one"):
        read_correct(folder, ["one"], [0, 5], "val")
    save_file({"labels": np.zeros(2, np.uint8)}, split_file("val"))
    with pytest.raises(DataError, match="evaluate@one"):
        read_correct(folder, ["one"], [0], "val")
    split_file("val").unlink()
    with pytest.raises(DataError, match=r"val.safetensors has no labels .* run dvc repro prepare"):
        read_labels("val")
