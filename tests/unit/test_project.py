"""Entry points of MLproject call DVC as told, and no file says where it was made."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from mlflow.projects.utils import load_project
from repositories import PROJECT


@pytest.mark.parametrize(
    "given", [{}, {"dropout_prob": "0.3"}, {"seeds": "[0, 1]", "networks.n1_mlp.own": "{}"}]
)
def test_an_experiment_of_mlproject_changes_what_it_is_given_and_nothing_else(
    given: dict[str, str], tmp_path: Path
) -> None:
    settings = [word for name, value in given.items() for word in ("-S", f"{name}={value}")]
    assert given_to_dvc("experiment", given, tmp_path) == ["exp", "run", "--temp", *settings]


@pytest.mark.parametrize("stages", ["", "report", "train@n2_mlp evaluate@n2_mlp"])
def test_the_main_entry_point_runs_all_or_the_stages_that_are_named(
    stages: str, tmp_path: Path
) -> None:
    given = {"stages": stages} if stages else {}
    assert given_to_dvc("main", given, tmp_path) == ["repro", *stages.split()]


def given_to_dvc(entry_point: str, given: dict[str, str], folder: Path) -> list[str]:
    """Return the words that an entry point of MLproject calls DVC with."""
    dvc = folder / "dvc"
    dvc.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    dvc.chmod(0o755)
    project: Any = load_project(str(PROJECT))  # type: ignore[no-untyped-call]
    command = project.get_entry_point(entry_point).compute_command(given, str(folder))
    done = subprocess.run(
        ["bash", "-c", command],
        env={"PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "name",
    [
        "requirements.txt",
        "requirements-bench.txt",
        "requirements-cluster.txt",
        "dvc.lock",
        "quick.lock",
        "pyproject.toml",
        ".dvc/config",
    ],
)
def test_no_address_of_a_registry_or_path_of_a_machine_is_committed(name: str) -> None:
    assert not re.search(r"https?://|file:|index-url|/home/|/root/", (PROJECT / name).read_text())


def test_actions_are_pinned_by_the_hash_of_a_commit_and_say_which_version_it_is() -> None:
    for path in (PROJECT / ".github/workflows").glob("*.yml"):
        used = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))
        assert used, path.name
        pinned = re.compile(r"\S+@[0-9a-f]{40} # v[\d.]+")
        assert [step for step in used if not pinned.fullmatch(step)] == []


def test_images_are_pinned_by_digest() -> None:
    files = [*PROJECT.glob(".github/workflows/*.yml"), *PROJECT.glob(".devcontainer/*.json")]
    pattern = re.compile(r'(?:container|"image"): "?([^\s",]+)')
    used = [image for path in files for image in pattern.findall(path.read_text(encoding="utf-8"))]
    assert used
    assert [image for image in used if not re.fullmatch(r"\S+@sha256:[0-9a-f]{64}", image)] == []
