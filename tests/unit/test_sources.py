"""The official files: genuine or refused by name, whole or not at all."""

import gzip
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fashionbench.data import sources
from fashionbench.data.sources import OFFICIAL_FILES, OfficialFile, fetch, read_images, read_labels
from fashionbench.errors import DataError

LABELS = "train-labels-idx1-ubyte"
IMAGES = "train-images-idx3-ubyte"


@pytest.fixture
def genuine(sample_folder: Path) -> tuple[OfficialFile, ...]:
    """The sample's files as if they were the official ones."""
    return tuple(
        OfficialFile(path.name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(sample_folder.iterdir())
    )


@pytest.fixture
def folder(sample_folder: Path, tmp_path: Path) -> Path:
    """A copy of the sample, to spoil."""
    return Path(shutil.copytree(sample_folder, tmp_path / "mine"))


def test_the_official_files_have_the_sizes_of_70000_images() -> None:
    assert sum(file.size for file in OFFICIAL_FILES) == 70_000 * (784 + 1) + 2 * (16 + 8)


@pytest.mark.parametrize("packed", [False, True])
def test_a_named_folder_serves_files_plain_or_packed(
    folder: Path, genuine: tuple[OfficialFile, ...], tmp_path: Path, packed: bool
) -> None:
    if packed:
        for path in list(folder.iterdir()):
            (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    destination = tmp_path / "FashionMNIST/raw"
    assert fetch(destination, folder, genuine) == str(folder)
    assert {path.name for path in destination.iterdir()} == {file.name for file in genuine}
    assert read_images(destination / IMAGES).shape == (400, 28, 28)
    assert read_labels(destination / LABELS).shape == (400,)


def become_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def become_unreadable(path: Path) -> None:
    # Of a file that even root cannot read from its start.
    path.unlink()
    path.symlink_to("/proc/self/mem")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def alter(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def remove(path: Path) -> None:
    path.unlink()


def truncate_archive(path: Path) -> None:
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes())[:-9])
    path.unlink()


def pretend_archive(path: Path) -> None:
    path.rename(path.with_name(f"{path.name}.gz"))


def bomb(path: Path) -> None:
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(bytes(1 << 26)))
    path.unlink()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (truncate, "holds 407 of 408 bytes"),
        (lengthen, "holds more than 408 bytes"),
        (alter, "is not the official file: its sha256 is"),
        (remove, f"has no readable {LABELS}"),
        (truncate_archive, "is damaged"),
        (pretend_archive, "is damaged"),
        (bomb, "holds more than 408 bytes"),
        (become_a_pipe, "is not a regular file"),
        (become_a_folder, "is not a regular file"),
        (become_unreadable, "Input/output error|has no readable"),
    ],
)
def test_a_spoilt_file_is_refused_by_name_and_leaves_nothing(
    folder: Path,
    genuine: tuple[OfficialFile, ...],
    tmp_path: Path,
    spoil: Callable[[Path], None],
    says: str,
) -> None:
    spoil(folder / LABELS)
    destination = tmp_path / "FashionMNIST/raw"
    with pytest.raises(DataError, match=says) as caught:
        fetch(destination, folder, genuine)
    assert LABELS in str(caught.value)
    assert list(destination.parent.iterdir()) == []


def test_a_mislabelled_file_is_refused(
    folder: Path, genuine: tuple[OfficialFile, ...], tmp_path: Path
) -> None:
    shutil.copy(folder / "t10k-images-idx3-ubyte", folder / IMAGES)
    with pytest.raises(DataError, match=IMAGES):
        fetch(tmp_path / "raw", folder, genuine)


def test_a_failed_fetch_keeps_what_was_there(
    folder: Path, genuine: tuple[OfficialFile, ...], tmp_path: Path
) -> None:
    fetch(tmp_path / "raw", folder, genuine)
    alter(folder / LABELS)
    with pytest.raises(DataError):
        fetch(tmp_path / "raw", folder, genuine)
    assert read_labels(tmp_path / "raw" / LABELS).shape == (400,)


def test_links_are_followed_when_read_and_never_written_through(
    folder: Path, genuine: tuple[OfficialFile, ...], tmp_path: Path
) -> None:
    (folder / LABELS).rename(folder / "elsewhere")
    (folder / LABELS).symlink_to(folder / "elsewhere")
    others = tmp_path / "others"
    others.mkdir()
    (others / "precious").write_text("mine")
    (tmp_path / "raw").symlink_to(others)
    fetch(tmp_path / "raw", folder, genuine)
    assert not (tmp_path / "raw").is_symlink()
    assert not (tmp_path / "raw" / LABELS).is_symlink()
    assert [path.name for path in others.iterdir()] == ["precious"]


def test_what_a_killed_fetch_left_behind_is_removed(
    folder: Path, genuine: tuple[OfficialFile, ...], tmp_path: Path
) -> None:
    left = tmp_path / "data" / ".incoming-abc"
    left.mkdir(parents=True)
    (left / LABELS).write_bytes(b"half")
    fetch(tmp_path / "data" / "raw", folder, genuine)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["raw"]


def test_the_next_source_is_asked_when_one_fails(
    folder: Path,
    genuine: tuple[OfficialFile, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(_: Path) -> Path:
        raise DataError("does not answer")

    monkeypatch.setattr(sources, "_PUBLIC_SOURCES", {"first": away, "second": lambda _: folder})
    assert fetch(tmp_path / "raw", files=genuine) == "second"
    monkeypatch.setattr(sources, "_PUBLIC_SOURCES", {"first": away, "second": away})
    with pytest.raises(DataError, match="first: does not answer; second: does not answer"):
        fetch(tmp_path / "other", files=genuine)


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
        read_labels(path)


def test_idx_values_keep_their_order(tmp_path: Path) -> None:
    path = tmp_path / "images"
    path.write_bytes(bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, *range(6)]))
    assert np.array_equal(read_images(path), [[[0, 1, 2]], [[3, 4, 5]]])
