"""MLproject agrees with params.yaml and dvc.yaml, and no file says where it was made."""

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from mlflow.projects.utils import load_project
from repositories import PROJECT
from ruamel.yaml import YAML

YAML_12 = YAML(typ="safe")
ENTRY_POINTS: dict[str, dict[str, Any]] = YAML_12.load(PROJECT / "MLproject")["entry_points"]


def test_mlproject_has_the_pipeline_each_stage_and_an_experiment() -> None:
    stages = YAML_12.load(PROJECT / "dvc.yaml")["stages"]
    assert ENTRY_POINTS.keys() == {"main", *stages, "experiment"}
    for name, stage in stages.items():
        command = ENTRY_POINTS[name]["command"]
        target = f"{name}@{{network}}" if "foreach" in stage else name
        assert command.endswith(f"dvc repro {target}")


@pytest.mark.parametrize(
    "given", [{}, {"dropout_prob": "0.3"}, {"seeds": "[0, 1]", "networks.n1_mlp.own": "{}"}]
)
def test_an_experiment_of_mlproject_changes_what_it_is_given_and_nothing_else(
    given: dict[str, str], tmp_path: Path
) -> None:
    dvc = tmp_path / "dvc"
    dvc.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    dvc.chmod(0o755)
    project: Any = load_project(str(PROJECT))  # type: ignore[no-untyped-call]
    command = project.get_entry_point("experiment").compute_command(given, str(tmp_path))
    done = subprocess.run(
        ["bash", "-c", command],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    settings = [word for name, value in given.items() for word in ("-S", f"{name}={value}")]
    assert done.stdout.splitlines() == ["exp", "run", "--temp", *settings]


@pytest.mark.parametrize(
    ("folder", "exported", "expected"),
    [("/named", "/exported", "/named"), ("", "/exported", "/exported"), ("", "", "")],
)
def test_the_folder_of_an_entry_point_wins_only_if_it_is_named(
    folder: str, exported: str, expected: str
) -> None:
    command = ENTRY_POINTS["download"]["command"].format(folder=shlex.quote(folder))
    command = command.replace("dvc repro download", "printenv FASHIONBENCH_DATA")
    env = {"PATH": os.environ["PATH"], "FASHIONBENCH_DATA": exported}
    done = subprocess.run(
        ["sh", "-c", command], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == expected


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
