"""A registered model outside of the project: it needs nothing but its own requirements."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pytest
from closures import make_environment
from installed import registry_answers
from repositories import Repository
from stores import client_of

from models import ASK, evaluated, thousand


@pytest.fixture
def exported(finished: Repository, tmp_path: Path) -> Path:
    """Copy the model of a network to a folder outside of any repository."""
    client = client_of(finished)
    version = client.get_model_version_by_alias("fashionbench-n9_ninth", "champion")
    model = client.get_logged_model(version.tags["fashionbench.model"])
    shutil.copytree(urlparse(model.artifact_location).path, tmp_path / "model")
    np.save(tmp_path / "images.npy", thousand(finished))
    return tmp_path


@pytest.mark.slow
def test_a_model_needs_nothing_but_its_own_requirements(
    finished: Repository, exported: Path
) -> None:
    """Elsewhere, without this project and its other packages, it gives the same answers."""
    requirements = (exported / "model/requirements.txt").read_text().split()
    assert [text for text in requirements if "==" not in text or "+" in text] == []
    python = make_environment(exported / "environment", requirements)
    assert_answers_as_evaluated(finished, exported, python)


@pytest.mark.slow
def test_pip_finds_the_requirements_of_a_model(exported: Path) -> None:
    """As for ``--env-manager virtualenv``, or in a container; installing them takes minutes."""
    if not registry_answers():
        pytest.skip("no package index answers")
    command = (sys.executable, "-m", "pip", "install", "-q", "--dry-run", "--ignore-installed")
    listed = exported / "model/requirements.txt"
    files = ("--report", str(exported / "found.json"), "-r", str(listed))
    subprocess.run([*command, *files], capture_output=True, text=True, check=True)
    found = json.loads((exported / "found.json").read_text())["install"]
    versions = {f"{one['metadata']['name']}=={one['metadata']['version']}" for one in found}
    assert set(listed.read_text().split()) <= versions


def assert_answers_as_evaluated(repository: Repository, exported: Path, python: Path) -> None:
    """Ask a model in another environment, in an empty folder."""
    empty = exported / "empty"
    empty.mkdir()
    files = [str(exported / name) for name in ("model", "images.npy", "answers.npy")]
    done = subprocess.run(
        [str(python), "-c", ASK, *files],
        cwd=empty,
        env={"PATH": os.environ["PATH"], "HOME": str(empty)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "fashionbench" not in {path.name for path in python.parents[1].glob("lib/*/*/*")}
    expected = evaluated(repository, "fashionbench-n9_ninth")
    np.testing.assert_allclose(np.load(exported / "answers.npy"), expected, atol=1e-6)


@pytest.mark.slow
@pytest.mark.tries("mlflow models generate-dockerfile -m FOLDER")
def test_mlflow_writes_the_recipe_of_a_container_with_the_model_and_its_code(
    exported: Path,
) -> None:
    command = ("mlflow", "models", "generate-dockerfile", "-m", "model", "-d", "container")
    Repository(exported).run(*command)
    assert "COPY model_dir/model /opt/ml/model" in (exported / "container/Dockerfile").read_text()
    copied = exported / "container/model_dir/model"
    assert (copied / "code/fashionbench/serving/classifier.py").is_file()
    requirements = (exported / "model/requirements.txt").read_text()
    assert (copied / "requirements.txt").read_text() == requirements
