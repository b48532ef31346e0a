"""What the tests share: a small real sample, and a repository in which real DVC runs on it."""

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML

from fashionbench.examples import Examples
from fashionbench.networks import configure_torch
from fashionbench.params import Hyperparameters, Network, Params, load_params
from fashionbench.sources import read_images, read_labels

PROJECT = Path(__file__).parents[1]
SAMPLE = Path(__file__).parent / "sample"

# Two seeds for intervals, and few enough networks and images for the suite to stay short.
SMALL_RUN = {"num_epochs": 2, "seeds": [0, 1], "train_size": 300, "val_size": 100}
PIPELINE_FILES = (
    "src",
    ".dvc/config",
    ".dvc/.gitignore",
    ".gitignore",
    "dvc.yaml",
    "params.yaml",
    "MLproject",
    "python_env.yaml",
)
SMALL_NETWORKS = ("n2_mlp", "n4_dropout", "n6_l1", "n7_l2")
NINTH_NETWORK = {
    "conv_filters": [4],
    "hidden_sizes": [16],
    "batch_norm": True,
    "dropout": "none",
    "l1": "none",
    "l2": "none",
}

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


@dataclass(frozen=True)
class Repository:
    """A git and DVC repository that holds the project's pipeline, to run commands in."""

    path: Path

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command as a user would in a new shell with the environment activated."""
        # A stage that runs these tests, or a user's shell, may have set what would lead astray.
        unwanted = ("DVC_", "MLFLOW_", "FASHIONBENCH_", "GIT_")
        env = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        env |= {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}",
            "FASHIONBENCH_DATA": str(SAMPLE),
            "DVC_NO_ANALYTICS": "1",
        }
        done = subprocess.run(
            command, cwd=self.path, env=env, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
        return done

    def stages_to_run(self) -> set[str]:
        """The stages of which DVC says that a dependency, a parameter or the command changed."""
        status = json.loads(self.run("dvc", "status", "--json").stdout)
        reasons = ("changed deps", "changed command")
        return {
            stage
            for stage, changes in status.items()
            if any(reason in change for change in changes for reason in reasons if change)
        }

    def change_params(self, **changes: Any) -> None:
        """Rewrite params.yaml with new values."""
        yaml = YAML()
        path = self.path / "params.yaml"
        content = yaml.load(path.read_text())
        content.update(changes)
        with path.open("w") as file:
            yaml.dump(content, file)

    def hashes(self, *paths: str) -> dict[str, str]:
        """The sha256 of each file at or below the given paths."""
        files = [
            file
            for path in paths
            for file in ([self.path / path, *(self.path / path).rglob("*")])
            if file.is_file()
        ]
        return {
            str(file.relative_to(self.path)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(files)
        }


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
    path = tmp_path / "copy"
    shutil.copytree(finished.path, path, symlinks=True)
    return Repository(path)


def make_repository(path: Path) -> Repository:
    """The project's pipeline, on the sample, with a few small networks; nothing has run yet."""
    for name in PIPELINE_FILES:
        source, target = PROJECT / name, path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-*"))
        else:
            shutil.copy(source, target)
    _make_sample_official(path / "src/fashionbench/sources.py")
    repository = Repository(path)
    declared = YAML(typ="safe").load((path / "params.yaml").read_text())["networks"]
    networks = {name: declared[name] for name in SMALL_NETWORKS} | {"n9_ninth": NINTH_NETWORK}
    repository.change_params(**SMALL_RUN, networks=networks)
    repository.run("git", "init", "-q")
    repository.run("git", "config", "user.name", "Test")
    repository.run("git", "config", "user.email", "test@localhost")
    repository.run("git", "add", "-A")
    repository.run("git", "commit", "-qm", "pipeline")
    return repository


def _make_sample_official(sources: Path) -> None:
    """Give a copy of sources.py the checksums of the sample instead of the whole data set's."""
    entries = []
    for packed in sorted(SAMPLE.glob("*.gz")):
        content = gzip.decompress(packed.read_bytes())
        digest = hashlib.sha256(content).hexdigest()
        entries.append(f'    OfficialFile("{packed.stem}", {len(content)}, "{digest}"),')
    table = "\n".join(["OFFICIAL_FILES = (", *entries, ")"])
    text, count = re.subn(
        r"^OFFICIAL_FILES = \(.*?^\)", table, sources.read_text(), flags=re.M | re.S
    )
    assert count == 1
    sources.write_text(text)
