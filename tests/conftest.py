"""What the tests share: a small real sample, and a repository in which real DVC runs on it."""

import gzip
from pathlib import Path
from typing import Any

import pytest
import torch
from interruptions import RESULTS, TRAIN, make_untrained
from repositories import PROJECT, SAMPLE, Repository, make_repository

from fashionbench.dependencies import Dependencies
from fashionbench.examples import Examples
from fashionbench.networks import configure_torch
from fashionbench.params import Hyperparameters, Network, Params, load_params
from fashionbench.sources import read_images, read_labels
from fashionbench.training import Epoch, Replicate, State, initial_state, train_epoch

configure_torch()


@pytest.fixture(scope="session")
def params() -> Params:
    """The project's own params.yaml."""
    return load_params(PROJECT / "params.yaml")


@pytest.fixture(scope="session")
def how(params: Params) -> Hyperparameters:
    """The project's own hyperparameters."""
    return params.hyperparameters


@pytest.fixture
def tiny() -> Network:
    """A perceptron small enough to compute by hand."""
    return network(hidden_sizes=(4,))


def network(**changes: Any) -> Network:
    """A declared network without any regularisation, but for ``changes``."""
    plain = Network(
        name="tiny",
        input_size=784,
        num_classes=10,
        conv_filters=(),
        hidden_sizes=(16,),
        batch_norm=False,
        dropout_prob=0.0,
        l1_strength=0.0,
        l2_strength=0.0,
    )
    return Network(**{**plain.__dict__, **changes})


def train_replicate(
    replicate: Replicate, train: Examples, val: Examples
) -> tuple[list[Epoch], State]:
    """Train from the first epoch to the last: the curves, and the state at the end."""
    state = initial_state(replicate)
    curves = []
    for epoch in range(1, replicate.how.num_epochs + 1):
        row, state = train_epoch(replicate, epoch, state, train, val)
        curves.append(row)
    return curves, state


def nothing_watched() -> Dependencies:
    """Dependencies of a training that has none."""
    return Dependencies(stage="train@tiny", files={}, params={})


@pytest.fixture(scope="session")
def sample_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The four files of the sample, unpacked."""
    folder = tmp_path_factory.mktemp("sample")
    for packed in SAMPLE.glob("*.gz"):
        (folder / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    return folder


@pytest.fixture(scope="session")
def train_examples(sample_folder: Path) -> Examples:
    """The 400 training images of the sample, as training sees them."""
    return _examples(sample_folder, "train")


@pytest.fixture(scope="session")
def test_examples(sample_folder: Path) -> Examples:
    """The 100 test images of the sample."""
    return _examples(sample_folder, "t10k")


def _examples(folder: Path, split: str) -> Examples:
    images = read_images(folder / f"{split}-images-idx3-ubyte")
    labels = read_labels(folder / f"{split}-labels-idx1-ubyte")
    return Examples(torch.from_numpy(images.copy()), torch.from_numpy(labels.copy()).long())


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository in which ``dvc repro`` has run the whole pipeline once. Not to be changed."""
    repository = make_repository(tmp_path_factory.mktemp("finished"))
    repository.run("dvc", "repro")
    repository.run("git", "add", "-A")
    repository.run("git", "commit", "-qm", "results")
    return repository


@pytest.fixture
def copied(finished: Repository, tmp_path: Path) -> Repository:
    """A copy of the finished repository, to change at will."""
    return finished.copy(tmp_path / "copy")


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository in which the network ``slow`` is still to be trained. Not to be changed."""
    return make_untrained(tmp_path_factory.mktemp("prepared") / "repository")


@pytest.fixture(scope="session")
def undisturbed(prepared: Repository, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The hashes of what that training makes if nothing goes wrong."""
    repository = prepared.copy(tmp_path_factory.mktemp("undisturbed") / "repository")
    repository.run(*TRAIN)
    return repository.hashes(*RESULTS)


@pytest.fixture
def untrained(prepared: Repository, tmp_path: Path) -> Repository:
    """A copy of the repository with the training to do, to change at will."""
    return prepared.copy(tmp_path / "repository")
