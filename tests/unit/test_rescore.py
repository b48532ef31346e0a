"""make rescore: accuracies without images that repeat others or have doubtful labels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rescore
from made_up import results

from fashionbench.data.splits import Split, save_split
from fashionbench.paths import split_file


def test_final_accuracies_are_counted_without_the_images() -> None:
    made_up = results()
    # Half of the images are right, and those are left out but for one in eight.
    right = np.arange(80) % 2 == 0
    correct = {
        split: {
            name: dict.fromkeys(range(5), right | (name == "n5_batch_norm"))
            for name in made_up.scores
        }
        for split in rescore.SPLITS
    }
    removed = {split: right & (np.arange(80) >= 10) for split in rescore.SPLITS}
    found = rescore.without(replace(made_up, correct=correct), removed)
    for split in rescore.SPLITS:
        assert found.score("n1_mlp", split, "accuracy").tolist() == [5 / 45] * 5
    usual = made_up.score("n1_mlp", "train", "accuracy")
    assert found.score("n1_mlp", "train", "accuracy").equals(usual)
    lines = [*rescore.table({"most": removed}, replace(made_up, correct=correct))]
    assert lines[2].startswith("| most | 35 | 35 | ")
    assert "9a: contradicted → reproduced" in lines[2]


def test_images_that_nearly_repeat_a_training_image_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (30, 8, 8), dtype=np.uint8)
    labels = np.zeros(10, np.uint8)
    for split, of_split in zip(("train", "val", "test"), np.split(images, 3), strict=True):
        save_split(Split(of_split.copy(), labels), split_file(split))
    paler = images[10:20].copy()
    paler[3] = images[7] // 2 + 20
    save_split(Split(paler, labels), split_file("val"))
    found = rescore.near_duplicates()
    assert np.flatnonzero(found["val"]).tolist() == [3]
    assert not found["test"].any()
