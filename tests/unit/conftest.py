"""Fixtures of the unit tests: a small real sample, as tensors."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from repositories import SAMPLE
from trainings import forget_kernels, network

from fashionbench.data.examples import Examples
from fashionbench.data.idx import read_idx
from fashionbench.data.splits import Split, save_split
from fashionbench.params import Network
from fashionbench.portable.processor import configure_torch

configure_torch()


@pytest.fixture
def new_process() -> Iterator[None]:
    """Forget which kernels this process has chosen, before and after a test."""
    forget_kernels()
    yield
    forget_kernels()


@pytest.fixture
def tiny() -> Network:
    """Declare a perceptron small enough to compute by hand."""
    return network(hidden_sizes=(4,))


@pytest.fixture(scope="session")
def sample_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the four files of the sample."""
    folder = tmp_path_factory.mktemp("sample")
    for packed in SAMPLE.glob("*.gz"):
        (folder / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    return folder


@pytest.fixture(scope="session")
def split(sample_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the 400 training images of the sample as the file of a split."""
    images, labels = (
        read_idx(sample_folder / f"train-{part}-ubyte", dimensions=dimensions)
        for part, dimensions in (("images-idx3", 3), ("labels-idx1", 1))
    )
    path = tmp_path_factory.mktemp("split") / "train.safetensors"
    save_split(Split(images, labels), path)
    return path


@pytest.fixture(scope="session")
def train_examples(sample_folder: Path) -> Examples:
    """Return the 400 training images of the sample, as training sees them."""
    return _examples(sample_folder, "train")


@pytest.fixture(scope="session")
def test_examples(sample_folder: Path) -> Examples:
    """Return the 100 test images of the sample."""
    return _examples(sample_folder, "t10k")


def _examples(folder: Path, split: str) -> Examples:
    images = read_idx(folder / f"{split}-images-idx3-ubyte", dimensions=3)
    labels = read_idx(folder / f"{split}-labels-idx1-ubyte", dimensions=1)
    return Examples(torch.from_numpy(images.copy()), torch.from_numpy(labels.copy()).long())
