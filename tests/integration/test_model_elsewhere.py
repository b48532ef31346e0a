"""A registered model outside of the project: it needs nothing but its own requirements."""

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


@pytest.mark.slow(minutes=10)
def test_an_environment_that_pip_makes_for_a_model_gives_the_same_answers(
    finished: Repository, exported: Path
) -> None:
    """As MLflow makes one for ``--env-manager virtualenv``, or in a container."""
    if not registry_answers():
        pytest.skip("no package index answers")
    subprocess.run([sys.executable, "-m", "venv", str(exported / "environment")], check=True)
    python = exported / "environment/bin/python"
    requirements = str(exported / "model/requirements.txt")
    install = ["-m", "pip", "install", "-q", "--no-compile", "-r", requirements]
    done = subprocess.run([str(python), *install], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert_answers_as_evaluated(finished, exported, python)
    shutil.rmtree(exported / "environment")  # It takes gigabytes.


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
