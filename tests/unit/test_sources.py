"""The official files: genuine or refused by name, whole or not at all."""

import gzip
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from repositories import DATASET, PROJECT, declared_as

from fashionbench.data import sources
from fashionbench.data.idx import read_idx
from fashionbench.data.sources import fetch, is_whole
from fashionbench.datasets import Dataset, load_dataset
from fashionbench.errors import DataError

LABELS = "train-labels-idx1-ubyte"
IMAGES = "train-images-idx3-ubyte"


@pytest.fixture
def genuine(sample_folder: Path) -> Dataset:
    """The data set as if the sample's files were the official ones."""
    return declared_as(sample_folder)


@pytest.fixture
def folder(sample_folder: Path, tmp_path: Path) -> Path:
    """A copy of the sample, to spoil."""
    return Path(shutil.copytree(sample_folder, tmp_path / "mine"))


def test_the_official_files_have_the_sizes_of_70000_images() -> None:
    assert sum(file.size for file in DATASET.files) == 70_000 * (784 + 1) + 2 * (16 + 8)


def test_images_of_a_package_need_no_folder(tmp_path: Path) -> None:
    """A folder could not be verified, and the package is the one that the lock names."""
    digits = load_dataset("digits", PROJECT)
    assert fetch(digits, tmp_path / "raw", tmp_path / "mine") == "scikit-learn:digits"
    assert is_whole(digits, tmp_path / "raw")


@pytest.mark.parametrize(
    "place",
    [
        "{name}",
        "{name}.gz",
        "{dotted}",  # As 7-Zip and some copies on Kaggle have it.
        "{dotted}.gz",
        "{name}/{name}",  # As other copies on Kaggle have it.
        "{dotted}/{dotted}",
        "FashionMNIST/raw/{name}",  # As torchvision has it below its root.
    ],
)
def test_a_named_folder_serves_files_by_the_names_that_tools_and_copies_give(
    sample_folder: Path, genuine: Dataset, tmp_path: Path, place: str
) -> None:
    for path in sample_folder.iterdir():
        dotted = path.name.replace("-idx", ".idx")
        new = tmp_path / "mine" / place.format(name=path.name, dotted=dotted)
        new.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes()
        new.write_bytes(gzip.compress(content) if new.suffix == ".gz" else content)
    folder, destination = tmp_path / "mine", tmp_path / "FashionMNIST/raw"
    assert fetch(genuine, destination, folder) == str(folder)
    assert {path.name for path in destination.iterdir()} == {file.name for file in genuine.files}
    assert read_idx(destination / IMAGES, dimensions=3).shape == (400, 28, 28)
    assert read_idx(destination / LABELS, dimensions=1).shape == (400,)


@pytest.mark.parametrize("words", [[], ["--from=~/mine"]], ids=["variable", "option"])
def test_a_tilde_is_the_users_home(words: list[str], folder: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    for name in ("datasets.yaml", "dvc.yaml", "params.yaml"):
        shutil.copy(PROJECT / name, project)
    done = subprocess.run(
        [sys.executable, "-m", "fashionbench", "download", *words],
        cwd=project,
        env=os.environ | {"HOME": str(tmp_path), "FASHIONBENCH_DATA": "~/mine"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"({folder}: {folder / IMAGES} holds " in done.stderr


def packed(path: Path) -> Path:
    return path.with_name(f"{path.name}.gz")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path, whole: path.write_bytes(whole[:-1]), "holds 407 of 408 bytes"),
        (lambda path, whole: path.write_bytes(whole + b"\0"), "holds more than 408 bytes"),
        (lambda path, whole: path.write_bytes(whole[:-1] + b"\xff"), "is not the declared file"),
        (lambda *_: None, f"has no {LABELS}, neither as it is nor as .gz"),
        (lambda path, whole: packed(path).write_bytes(gzip.compress(whole)[:-9]), "is damaged"),
        (lambda path, whole: packed(path).write_bytes(whole), "is damaged"),
        (
            lambda path, _: packed(path).write_bytes(gzip.compress(bytes(1 << 26))),
            "holds more than 408 bytes",
        ),
        (lambda path, _: os.mkfifo(path), "is not a regular file"),
        (lambda path, _: path.mkdir(), "is not a regular file"),
        # Even root cannot read it from its start.
        (lambda path, _: path.symlink_to("/proc/self/mem"), "Input/output error|has no readable"),
    ],
)
def test_a_spoilt_file_is_refused_by_name_and_leaves_nothing(
    folder: Path,
    genuine: Dataset,
    tmp_path: Path,
    spoil: Callable[[Path, bytes], object],
    says: str,
) -> None:
    whole = (folder / LABELS).read_bytes()
    (folder / LABELS).unlink()
    spoil(folder / LABELS, whole)
    destination = tmp_path / "FashionMNIST/raw"
    with pytest.raises(DataError, match=says) as caught:
        fetch(genuine, destination, folder)
    assert LABELS in str(caught.value)
    assert list(destination.parent.iterdir()) == []


def test_a_failed_fetch_keeps_what_was_there(
    folder: Path, genuine: Dataset, tmp_path: Path
) -> None:
    fetch(genuine, tmp_path / "raw", folder)
    (folder / LABELS).write_bytes(b"")
    with pytest.raises(DataError):
        fetch(genuine, tmp_path / "raw", folder)
    assert read_idx(tmp_path / "raw" / LABELS, dimensions=1).shape == (400,)


def test_links_are_followed_when_read_and_never_written_through(
    folder: Path, genuine: Dataset, tmp_path: Path
) -> None:
    (folder / LABELS).rename(folder / "elsewhere")
    (folder / LABELS).symlink_to(folder / "elsewhere")
    others = tmp_path / "others"
    others.mkdir()
    (others / "precious").write_text("mine")
    (tmp_path / "raw").symlink_to(others)
    fetch(genuine, tmp_path / "raw", folder)
    assert not (tmp_path / "raw").is_symlink()
    assert not (tmp_path / "raw" / LABELS).is_symlink()
    assert [path.name for path in others.iterdir()] == ["precious"]


def test_what_a_killed_fetch_left_behind_is_removed(
    folder: Path, genuine: Dataset, tmp_path: Path
) -> None:
    left = tmp_path / "data" / ".incoming-abc"
    left.mkdir(parents=True)
    (left / LABELS).write_bytes(b"half")
    fetch(genuine, tmp_path / "data" / "raw", folder)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["raw"]


def test_the_next_source_is_asked_when_one_fails(
    folder: Path,
    genuine: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(*_: object) -> Path:
        raise DataError("does not answer")

    monkeypatch.setattr(sources, "ORIGINS", {"first": away, "second": lambda *_: folder})
    declared = genuine.model_copy(update={"origins": ("first:x", "second:y")})
    assert fetch(declared, tmp_path / "raw") == "second:y"
    monkeypatch.setattr(sources, "ORIGINS", {"first": away, "second": away})
    with pytest.raises(DataError, match="first:x: does not answer; second:y: does not answer"):
        fetch(declared, tmp_path / "other")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is not an IDX file"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x01\x00", "is not an IDX file"),
        (b"\x00\x00\x08\x03" + bytes(12), "is not an IDX file"),
        (b"\x00\x00\x08\x01\x00\x00\x00\x03\x01\x02", "holds 2 values"),
        (b"\x00\x00\x08\x01\xff\xff\xff\xff\x01\x02", "holds 2 values"),
    ],
)
def test_an_idx_file_must_be_what_its_header_says(
    tmp_path: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "labels"
    path.write_bytes(content)
    with pytest.raises(DataError, match=says):
        read_idx(path, dimensions=1)


def test_idx_values_keep_their_order(tmp_path: Path) -> None:
    path = tmp_path / "images"
    path.write_bytes(bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, *range(6)]))
    assert np.array_equal(read_idx(path, dimensions=3), [[[0, 1, 2]], [[3, 4, 5]]])
