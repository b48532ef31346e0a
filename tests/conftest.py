"""Fixtures of all tests: the project's parameters, and repositories in which real DVC has run."""

import gc
import json
import os
from collections.abc import Iterator
from pathlib import Path

import cores
import pytest
from interruptions import RESULTS, TRAIN, make_untrained
from repositories import PROJECT, Repository, make_finished
from shared import make_once

from fashionbench import datasets
from fashionbench.params import Hyperparameters, Params, load_params
from fashionbench.portable.processor import pin_arithmetic

# Before the conftest.py of a folder below imports torch.
pin_arithmetic()


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Give each core a process, and two for slow tests, which wait for a fifth of their time."""
    cores_here = len(cores.ALL_CORES) or os.cpu_count() or 1
    return cores_here * (2 if config.option.markexpr == "slow" else 1)


def pytest_configure() -> None:
    """Keep each process of pytest-xdist to one core."""
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        cores.take_one(worker)


def pytest_collection_finish() -> None:
    """Take what has been imported out of the garbage collector's sight.

    A collection over the objects of torch, MLflow and DVC takes a third of a second.
    """
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that say that they take minutes, lest the last of them ends alone.

    make test-all hands them out one at a time.
    """
    items.sort(key=lambda item: -_minutes(item))


def _minutes(item: pytest.Item) -> int:
    mark = item.get_closest_marker("slow")
    return int(mark.kwargs.get("minutes", 0)) if mark else 0


@pytest.fixture(autouse=True)
def declared_data_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a folder with a params.yaml alone have the data sets of this project."""
    monkeypatch.setattr(datasets, "project_folder", lambda: PROJECT)


@pytest.fixture(scope="session")
def params() -> Params:
    """Read the project's own params.yaml."""
    return load_params(PROJECT / "params.yaml")


@pytest.fixture(scope="session")
def hyperparameters(params: Params) -> Hyperparameters:
    """Return the project's own hyperparameters."""
    return params.hyperparameters


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Return a repository in which ``dvc repro`` has run everything once. Not to be changed."""
    return Repository(make_once(tmp_path_factory, "finished", make_finished))


@pytest.fixture
def copied(finished: Repository, tmp_path: Path) -> Repository:
    """Copy the finished repository, to change at will."""
    return finished.copy(tmp_path / "copy")


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Return a repository whose network ``slow`` is still to be trained. Not to be changed."""
    return Repository(make_once(tmp_path_factory, "prepared", make_untrained))


@pytest.fixture(scope="session")
def undisturbed(prepared: Repository, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the hashes of what that training makes if nothing goes wrong."""

    def train(path: Path) -> None:
        repository = prepared.copy(path)
        repository.run(*TRAIN)
        hashes = repository.hashes(*RESULTS)
        (path / "hashes.json").write_text(json.dumps(hashes))

    path = make_once(tmp_path_factory, "undisturbed", train)
    hashes: dict[str, str] = json.loads((path / "hashes.json").read_text())
    return hashes


@pytest.fixture
def untrained(prepared: Repository, tmp_path: Path) -> Repository:
    """Copy the repository with the training to do, to change at will."""
    return prepared.copy(tmp_path / "repository")


@pytest.fixture
def all_cores() -> Iterator[None]:
    """Let a test run on all cores."""
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    cores.take_all()
    yield
    if before:
        os.sched_setaffinity(0, before)
