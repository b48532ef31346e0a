"""make rescore: accuracies without images that repeat others or have doubtful labels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rescore
from made_up import NETWORKS, results
from repositories import PROJECT

from fashionbench.analysis.results import Results
from fashionbench.data.splits import Split, save_split
from fashionbench.paths import split_file

RIGHT = np.arange(80) % 2 == 0
"""Half of the images: of those that are left out all, of N5's images all."""
REMOVED = dict.fromkeys(rescore.SPLITS, RIGHT & (np.arange(80) >= 10))
USUAL = results()
RESULTS = replace(
    USUAL,
    correct={
        split: {
            name: dict.fromkeys(range(5), RIGHT | (name == "n5_batch_norm")) for name in NETWORKS
        }
        for split in rescore.SPLITS
    },
)


def test_final_accuracies_are_counted_without_the_images() -> None:
    found = rescore.without(RESULTS, REMOVED)
    for split in rescore.SPLITS:
        assert found.score("n1_mlp", split, "accuracy").tolist() == [5 / 45] * 5
    usual = USUAL.score("n1_mlp", "train", "accuracy")
    assert found.score("n1_mlp", "train", "accuracy").equals(usual)
    lines = [*rescore.table({"most": REMOVED}, RESULTS)]
    assert lines[2].startswith("| most | 35 | 35 | ")
    assert "9a: contradicted → reproduced" in lines[2]


@pytest.mark.tries("make rescore")
def test_make_rescore_renews_its_table_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    assert "\nrescore: $(READY)\n\tpython tools/rescore.py\n" in makefile
    document, text = tmp_path / "data.md", (PROJECT / rescore.DOCUMENT).read_text(encoding="utf-8")
    document.write_text(text, encoding="utf-8")
    monkeypatch.chdir(PROJECT)
    monkeypatch.setattr(rescore, "DOCUMENT", document)
    monkeypatch.setattr(Results, "read", lambda *_: RESULTS)
    monkeypatch.setattr(rescore, "near_duplicates", lambda: REMOVED)
    monkeypatch.setattr(rescore, "doubtful_labels", lambda _: REMOVED)
    rescore.main()
    written = document.read_text(encoding="utf-8")
    assert "| both | 35 | 35 | " in written
    assert rescore.BLOCK.sub(r"\1\2", written) == rescore.BLOCK.sub(r"\1\2", text)


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
