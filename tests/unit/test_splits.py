"""Splits: disjoint, stratified, stable, and the same after a round trip through a file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from repositories import DATASET
from safetensors.numpy import save

from fashionbench.data.idx import read_idx
from fashionbench.data.splits import Split, draw_splits, load_split, save_split
from fashionbench.datasets import Dataset
from fashionbench.errors import ConfigError, DataError

LABELS = np.repeat(np.arange(10, dtype=np.uint8), 60)


def draw(
    labels: np.ndarray, train_size: int, val_size: int, seed: int, dataset: Dataset = DATASET
) -> tuple[np.ndarray, ...]:
    """Return the indices of train and val, and of test if it is drawn."""
    labels_file = dataset.file("train", "labels").model_copy(update={"size": 8 + len(labels)})
    files = [labels_file, *(file for file in dataset.files if file.role != "train labels")]
    declared = dataset.model_copy(update={"files": tuple(files)})
    drawn = draw_splits(declared, labels, train_size, val_size, seed)
    return tuple(drawn[name] for name in ("train", "val", "test") if name in drawn)


@pytest.mark.parametrize("train_size", [500, 200])
def test_the_split_is_disjoint_and_stratified(train_size: int) -> None:
    train, val = draw(LABELS, train_size, val_size=100, seed=0)
    assert len({*train, *val}) == train_size + 100
    assert np.bincount(LABELS[train]).tolist() == [train_size // 10] * 10
    assert np.bincount(LABELS[val]).tolist() == [10] * 10


def test_fewer_training_images_keep_the_validation_images() -> None:
    all_train, all_val = draw(LABELS, 500, 100, seed=0)
    train, val = draw(LABELS, 200, 100, seed=0)
    assert np.array_equal(val, all_val)
    assert set(train) < set(all_train)


def test_the_split_depends_on_its_seed_alone() -> None:
    first, again, other = (draw(LABELS, 500, 100, seed)[1] for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_split_of_the_sample_stays_what_it_was(sample_folder: Path) -> None:
    # Known good values: another library version that drew other images would change all results.
    labels = read_idx(sample_folder / "train-labels-idx1-ubyte", dimensions=1)
    train, val = draw(labels, 300, 100, seed=0)
    assert train[:8].tolist() == [0, 2, 3, 4, 5, 6, 7, 8]
    assert val[:8].tolist() == [1, 9, 10, 11, 13, 16, 18, 24]


@pytest.mark.parametrize(
    ("train_size", "val_size", "says"),
    [(500, 101, "at most the 600"), (9, 100, "train_size = 9"), (500, 9, "val_size = 9")],
)
def test_sizes_that_the_data_cannot_give_are_refused(
    train_size: int, val_size: int, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        draw(LABELS, train_size, val_size, seed=0)


def test_a_split_survives_its_file_with_stable_bytes(sample_folder: Path, tmp_path: Path) -> None:
    split = Split(
        read_idx(sample_folder / "t10k-images-idx3-ubyte", dimensions=3),
        read_idx(sample_folder / "t10k-labels-idx1-ubyte", dimensions=1),
    )
    for name in ("a", "b"):
        save_split(split, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    loaded = load_split(tmp_path / "a")
    assert np.array_equal(loaded.images, split.images)
    assert np.array_equal(loaded.labels, split.labels)


@pytest.mark.parametrize(
    "spoil",
    [
        Path.unlink,
        lambda path: path.write_bytes(b"noise"),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(save({"images": np.zeros((1, 28, 28), np.uint8)})),
        lambda path: path.write_bytes(
            save({"images": np.zeros((1, 784), np.uint8), "labels": np.array([1], np.uint8)})
        ),
    ],
)
def test_a_file_that_is_no_split_is_refused_by_name(
    tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    path = tmp_path / "train.safetensors"
    save_split(Split(np.zeros((2, 28, 28), np.uint8), np.zeros(2, np.uint8)), path)
    spoil(path)
    with pytest.raises(DataError, match=f"{path} is not a split .*; run dvc repro prepare"):
        load_split(path)


def test_images_and_labels_must_fit_together() -> None:
    images, labels = np.zeros((3, 28, 28), np.uint8), np.zeros(2, np.uint8)
    with pytest.raises(DataError, match="one label per image"):
        Split(images, labels)
    with pytest.raises(DataError, match="uint8"):
        Split(images.astype(np.int64), labels)


def test_a_data_set_without_test_images_gets_some_and_every_class_is_in_each_split() -> None:
    files = tuple(file for file in DATASET.files if file.role.startswith("train"))
    dataset = DATASET.model_copy(update={"files": files})
    train, val, test = draw(LABELS, 400, 100, 0, dataset)
    assert len({*train, *val, *test}) == 600
    assert np.bincount(LABELS[test]).tolist() == [10] * 10
    with pytest.raises(ConfigError, match="501 and val_size = 50, and as many for testing: "):
        draw(LABELS, 501, 50, 0, dataset)
    for few, split in ((2, "training"), (20, "test")):
        labels = LABELS.copy()
        labels[few:60] = 1
        with pytest.raises(ConfigError, match=f"'T-shirt/top' .* {few} images, .* {split}"):
            draw(labels, 400, 10, 0, dataset)
