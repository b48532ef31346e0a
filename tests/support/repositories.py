"""Repositories of their own, in which real DVC and real MLflow run the project's pipeline."""

import gzip
import hashlib
import io
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from write_studies import write_study

from fashionbench.datasets import DataFile, Dataset, load_dataset

PROJECT = Path(__file__).parents[2]
SAMPLE = PROJECT / "tests/sample"

# Two seeds for intervals, and few enough networks and images for the suite to stay short.
SMALL_RUN = {"num_epochs": 2, "seeds": [0, 1], "train_size": 300, "val_size": 100}
PIPELINE_FILES = (
    "bin",
    "src",
    "networks",
    ".dvc/config",
    ".dvc/.gitignore",
    ".gitignore",
    "claims.yaml",
    "datasets.yaml",
    "dvc.yaml",
    "params.yaml",
    "MLproject",
    "python_env.yaml",
    "metrics/studies/.gitkeep",
    "rebuilds/README.md",
)
DATASET = load_dataset("fashion_mnist", PROJECT)
CLASSES = DATASET.classes
# Several times what the longest command takes: none may hold up the whole suite.
PATIENCE_S = 900
MLFLOW_RUN = ("mlflow", "run", ".", "--env-manager", "local", "--experiment-name", "fashionbench")
# Without these even root may not write where the permissions of a folder forbid it.
AS_MORTALS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")
DECLARED_NETWORKS = ("n2_mlp", "n4_dropout")
"""Those of the project's own networks that the small repository has."""
NINTH_NETWORK = {
    "conv_filters": [4],
    "hidden_sizes": [16],
    "batch_norm": True,
    "dropout": "none",
    "l1": "none",
    "l2": "none",
}
NETWORKS = (*DECLARED_NETWORKS, "n9_ninth")


def environment() -> dict[str, str]:
    """The variables of a new shell with the environment activated, and the sample as data."""
    # Whoever runs these tests (a shell, make, a stage) may have set what would lead astray;
    # PYTHONDONTWRITEBYTECODE, for one, would have each stage compile the code anew.
    unwanted = ("DVC_", "MLFLOW_", "FASHIONBENCH_", "GIT_", "MAKE", "PYTHON")
    env = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return env | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}",
        "FASHIONBENCH_DATA": str(SAMPLE),
        "DVC_NO_ANALYTICS": "1",
    }


@dataclass(frozen=True)
class Repository:
    """A git and DVC repository that holds the project's pipeline, to run commands in.

    ``variables`` are set in addition to those of :func:`environment`.
    """

    path: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a shell in which a user works in this repository."""
        return environment() | dict(self.variables)

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command as a user would in a new shell with the environment activated."""
        done = subprocess.run(
            command,
            cwd=self.path,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
        return done

    def begin(self) -> None:
        """Make a git repository of what lies here, with a first commit of everything."""
        self.run("git", "init", "-q")
        self.run("git", "config", "user.name", "Test")
        self.run("git", "config", "user.email", "test@localhost")
        self.commit("pipeline")

    def commit(self, message: str) -> None:
        """Commit everything that lies here."""
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", message)

    def change_params(self, **changes: Any) -> None:
        """Rewrite params.yaml with new values."""
        path = self.path / "params.yaml"
        content = YAML().load(path.read_text())
        content.update(changes)
        path.write_text(as_yaml(content))

    def copy(self, path: Path) -> "Repository":
        """A copy of the whole repository, to change at will."""
        shutil.copytree(self.path, path, symlinks=True)
        _move_artifacts(self.path, path)
        return Repository(path, self.variables)

    def hashes(self, *paths: str) -> dict[str, str]:
        """The sha256 of each file at or below the given paths.

        Of short tables the text, so that a comparison that fails shows what differs.
        """
        files = [
            file
            for path in paths
            for file in ([self.path / path, *(self.path / path).rglob("*")])
            if file.is_file()
        ]
        return {str(file.relative_to(self.path)): _identify(file) for file in sorted(files)}


def _identify(file: Path) -> str:
    if file.suffix == ".csv" and file.stat().st_size < 10_000:
        return file.read_text()
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _move_artifacts(old: Path, new: Path) -> None:
    """Let a copied store keep its artifacts in the copy: it has full paths of them."""
    if (new / "mlflow.db").exists():
        with closing(sqlite3.connect(new / "mlflow.db")) as store, store:
            for table, column in (
                ("experiments", "artifact_location"),
                ("runs", "artifact_uri"),
                ("logged_models", "artifact_location"),
                ("model_versions", "storage_location"),
            ):
                change = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"
                store.execute(change, (old.as_uri(), new.as_uri()))


def copy_files(folder: Path, *names: str) -> None:
    """Copy files and folders of the project to the same places below another folder."""
    for name in names:
        source, target = PROJECT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-*"))
        else:
            shutil.copy(source, target)


def make_repository(path: Path) -> Repository:
    """The project's pipeline, on the sample, with a few small networks; nothing has run yet."""
    copy_files(path, *PIPELINE_FILES)
    ignored = (PROJECT / ".dvcignore").read_text().replace("/studies/*/dvc.yaml\n", "")
    (path / ".dvcignore").write_text(ignored)
    _declare_sample(path / "datasets.yaml")
    repository = Repository(path)
    declared = YAML(typ="safe").load((path / "params.yaml").read_text())["networks"]
    networks = {name: declared[name] for name in DECLARED_NETWORKS} | {"n9_ninth": NINTH_NETWORK}
    repository.change_params(**SMALL_RUN, networks=networks)
    repository.begin()
    return repository


def make_finished(path: Path) -> Repository:
    """Make the small repository and run its whole pipeline once."""
    repository = make_repository(path)
    repository.run("dvc", "repro")
    repository.commit("results")
    return repository


def as_yaml(content: Mapping[str, Any]) -> str:
    """Write YAML as text, with the comments of what was read with them."""
    text = io.StringIO()
    YAML().dump(content, text)
    return text.getvalue()


def add_study(repository: Repository, name: str, declared: str) -> Path:
    """Declare a study in a repository, and return its folder."""
    folder = repository.path / "studies" / name
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text(declared)
    write_study(folder, repository.path)
    return folder


def stages_of(said: str) -> set[str]:
    """Return the stages that a command of DVC's says it ran, but for ``source``: it always runs."""
    ran = {line.split("'")[1] for line in said.splitlines() if line.startswith("Running stage")}
    return ran - {"source"}


def declared_as(folder: Path, dataset: Dataset = DATASET) -> Dataset:
    """Return a data set with the sizes and checksums of the files in a folder."""
    files = []
    for file in dataset.files:
        path, packed = folder / file.name, folder / f"{file.name}.gz"
        content = path.read_bytes() if path.exists() else gzip.decompress(packed.read_bytes())
        digest = hashlib.sha256(content).hexdigest()
        files.append(DataFile(name=file.name, role=file.role, size=len(content), sha256=digest))
    return dataset.model_copy(update={"files": tuple(files)})


def _declare_sample(path: Path) -> None:
    """Give the data set of a repository the checksums of the sample."""
    content = YAML().load(path.read_text())
    files = declared_as(SAMPLE).files
    content["fashion_mnist"]["files"] = [file.model_dump() for file in files]
    path.write_text(as_yaml(content))
