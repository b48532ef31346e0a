"""Runs are named by what their parameters have that the committed ones have not."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from repositories import PROJECT
from ruamel.yaml import YAML

from fashionbench.tracking.run_spec import configuration, run_name


def git(*arguments: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@localhost")
    command = ["git", *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def change(**changes: Any) -> None:
    """Edit params.yaml; ``networks`` are changed one by one."""
    yaml = YAML()
    content = yaml.load(Path("params.yaml"))
    for name, layers in changes.pop("networks", {}).items():
        content["networks"].setdefault(name, {}).update(layers)
    content.update(changes)
    with Path("params.yaml").open("w") as file:
        yaml.dump(content, file)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a repository with the project's parameters committed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_EXP_BASELINE_REV", raising=False)
    shutil.copy(PROJECT / "params.yaml", tmp_path)
    git("init", "-q")
    git("add", "params.yaml")
    git("commit", "-qm", "parameters")
    return tmp_path


@pytest.mark.usefixtures("repository")
def test_a_name_has_the_parameters_that_the_network_uses_and_only_changed_ones() -> None:
    assert run_name("n4_dropout") == "n4_dropout"
    change(dropout_prob=0.3)
    assert run_name("n4_dropout") == "n4_dropout · dropout_prob=0.3"
    assert run_name("n4_dropout", 7) == "n4_dropout seed 7 · dropout_prob=0.3"
    assert run_name("n2_mlp") == "n2_mlp"
    change(num_epochs=3, seeds=[0])
    assert run_name("n2_mlp") == "n2_mlp · num_epochs=3, seeds=[0]"
    assert run_name("n2_mlp", 0) == "n2_mlp seed 0 · num_epochs=3"
    assert configuration("n2_mlp") == "n2_mlp · num_epochs=3"


@pytest.mark.usefixtures("repository")
def test_layers_count_too_and_a_new_network_is_its_own_name() -> None:
    change(networks={"n3_mlp": {"hidden_sizes": [16, 8]}, "n9": {"hidden_sizes": [4]}})
    assert run_name("n3_mlp") == "n3_mlp · hidden_sizes=[16,8]"
    assert run_name("n9") == "n9"


@pytest.mark.usefixtures("repository")
def test_an_experiment_is_compared_with_the_commit_that_it_started_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", git("rev-parse", "HEAD"))
    change(dropout_prob=0.3)
    git("commit", "-qam", "what DVC commits for its experiment")
    assert run_name("n4_dropout") == "n4_dropout · dropout_prob=0.3"
    monkeypatch.delenv("DVC_EXP_BASELINE_REV")
    assert run_name("n4_dropout") == "n4_dropout"


def test_without_git_or_parameters_a_name_is_the_networks(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(dropout_prob=0.3)
    (repository / ".git").rename(repository / "gone")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(repository.parent))
    assert run_name("n4_dropout") == "n4_dropout"
    (repository / "params.yaml").unlink()
    assert run_name("n4_dropout", 1) == "n4_dropout seed 1"
