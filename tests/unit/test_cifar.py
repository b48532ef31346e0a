"""CIFAR's archives: unpickled only if everything in them is what has been published."""

import hashlib
import io
import pickle
import tarfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fashionbench.data.idx import read_idx
from fashionbench.data.public_sources import torchvision_archives
from fashionbench.errors import DataError

FOLDER = "batches"


class Trap:
    """Creates a folder when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.mkdir, (Path("sprung"),)


def batch(*labels: int) -> dict[str, object]:
    """Return images of 2 x 2 pixels: planes of red, green and blue, valued by their places."""
    pixels = np.arange(12 * len(labels), dtype=np.uint8).reshape(-1, 12)
    return {"data": pixels, "labels": list(labels), "batch_label": "of 1"}


def publish(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    files: Mapping[str, bytes],
    spoilt: Mapping[str, bytes | None],
) -> None:
    """Make an archive, and have torchvision know its md5 and that of its batches.

    Of a ``spoilt`` batch it holds other bytes than those that torchvision knows, or none.
    """
    archive = folder / "tiny.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, content in {**files, **spoilt}.items():
            if content is None:
                continue
            member = tarfile.TarInfo(f"{FOLDER}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    listed = [[name, hashlib.md5(files[name]).hexdigest()] for name in ("one", "two", "test")]
    known = SimpleNamespace(
        filename=archive.name,
        tgz_md5=hashlib.md5(archive.read_bytes()).hexdigest(),
        url="none",
        base_folder=FOLDER,
        meta={"filename": "batches.meta"},
        train_list=listed[:2],
        test_list=listed[2:],
    )
    monkeypatch.setattr("torchvision.datasets.CIFAR10", known)


def files(**others: object) -> dict[str, bytes]:
    """Return an archive's files as pickled by an old numpy, with ``others`` in their places."""
    content = {"one": batch(0, 1), "two": batch(2), "test": batch(1), "batches.meta": {}} | others
    pickled = {name: pickle.dumps(one, protocol=3) for name, one in content.items()}
    old = {name: text.replace(b"numpy._core.", b"numpy.core.") for name, text in pickled.items()}
    return old | {"readme.html": b"<html>"}


def test_planes_become_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, tmp_path, files(), {})
    torchvision_archives("CIFAR10", tmp_path, tmp_path)
    images = read_idx(tmp_path / "train-images-idx4-ubyte", dimensions=4)
    assert images.shape == (3, 2, 2, 3)
    assert images[0, 0].tolist() == [[0, 4, 8], [1, 5, 9]]
    assert read_idx(tmp_path / "train-labels-idx1-ubyte", dimensions=1).tolist() == [0, 1, 2]
    assert read_idx(tmp_path / "test-labels-idx1-ubyte", dimensions=1).tolist() == [1]


@pytest.mark.parametrize(
    ("others", "spoilt", "says"),
    [
        ({"more": Trap()}, {}, r"holds batches/more, which is none of its files$"),
        ({}, {"two": pickle.dumps(Trap())}, "has another two than the published one"),
        ({"one": Trap()}, {}, r"^a batch is pickled with .*, which is no array$"),
        ({}, {"two": None}, r"has no two$"),
    ],
)
def test_anything_but_the_published_arrays_is_refused_and_not_unpickled(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    others: dict[str, object],
    spoilt: dict[str, bytes | None],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    publish(monkeypatch, tmp_path, files(**others), spoilt)
    with pytest.raises(DataError, match=says):
        torchvision_archives("CIFAR10", tmp_path, tmp_path)
    assert not Path("sprung").exists()
