"""Splits: disjoint, stratified, stable, and the same after a round trip through a file."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from fashionbench.data.sources import read_images, read_labels
from fashionbench.data.splits import Split, load_split, save_split, stratified_indices
from fashionbench.errors import ConfigError, DataError

LABELS = np.repeat(np.arange(10, dtype=np.uint8), 60)


def test_the_split_is_disjoint_and_has_the_sizes_asked_for() -> None:
    train, val = stratified_indices(LABELS, train_size=500, val_size=100, seed=0)
    assert (len(train), len(val)) == (500, 100)
    assert set(train) | set(val) == set(range(600))


@pytest.mark.parametrize("train_size", [500, 200])
def test_the_split_is_stratified(train_size: int) -> None:
    train, val = stratified_indices(LABELS, train_size, val_size=100, seed=0)
    assert np.bincount(LABELS[train]).tolist() == [train_size // 10] * 10
    assert np.bincount(LABELS[val]).tolist() == [10] * 10


def test_fewer_training_images_keep_the_validation_images() -> None:
    all_train, all_val = stratified_indices(LABELS, 500, 100, seed=0)
    train, val = stratified_indices(LABELS, 200, 100, seed=0)
    assert np.array_equal(val, all_val)
    assert set(train) < set(all_train)


def test_the_split_depends_on_its_seed_alone() -> None:
    first, again, other = (stratified_indices(LABELS, 500, 100, seed)[1] for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_split_of_the_sample_stays_what_it_was(sample_folder: Path) -> None:
    # Known good values: another library version that drew other images would change all results.
    labels = read_labels(sample_folder / "train-labels-idx1-ubyte")
    train, val = stratified_indices(labels, 300, 100, seed=0)
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
        stratified_indices(LABELS, train_size, val_size, seed=0)


def test_a_split_survives_its_file_with_stable_bytes(sample_folder: Path, tmp_path: Path) -> None:
    split = Split(
        read_images(sample_folder / "t10k-images-idx3-ubyte"),
        read_labels(sample_folder / "t10k-labels-idx1-ubyte"),
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
        lambda path: path.write_bytes(pickle.dumps({"images": 1, "labels": 2})),
        lambda path: path.write_bytes(save({"images": np.zeros((1, 28, 28), np.uint8)})),
        lambda path: path.write_bytes(
            save({"images": np.zeros((1, 28, 28), np.uint8), "labels": np.array([10], np.uint8)})
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
    with pytest.raises(DataError, match="there is a label 10; allowed are 0 to 9"):
        Split(images, np.array([0, 9, 10], np.uint8))
    with pytest.raises(DataError, match="uint8"):
        Split(images.astype(np.int64), labels)
