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
    ("entry_point", "given", "words"),
    [
        ("main", {}, "repro"),
        ("main", {"stages": "report"}, "repro|report"),
        ("main", {"stages": "check train@n2_mlp"}, "repro|check|train@n2_mlp"),
        ("experiment", {}, "exp|run|--temp"),
        ("experiment", {"dropout_prob": "0.3"}, "exp|run|--temp|-S|dropout_prob=0.3"),
        (
            "experiment",
            {"seeds": "[0, 1]", "networks.n1_mlp.own": "{}"},
            "exp|run|--temp|-S|seeds=[0, 1]|-S|networks.n1_mlp.own={}",
        ),
    ],
)
def test_dvc_is_called_with_what_an_entry_point_is_given_and_nothing_else(
    entry_point: str, given: dict[str, str], words: str, tmp_path: Path
) -> None:
    dvc = tmp_path / "dvc"
    dvc.write_text("#!/bin/sh\nIFS='|'; printf '%s' \"$*\"\n")
    dvc.chmod(0o755)
    project: Any = load_project(str(PROJECT))  # type: ignore[no-untyped-call]
    command = project.get_entry_point(entry_point).compute_command(given, str(tmp_path))
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert subprocess.check_output(["bash", "-c", command], env=environment, text=True) == words


@pytest.mark.parametrize(
    "name",
    [
        *(path.name for path in PROJECT.glob("requirements*.txt")),
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
