"""MLproject agrees with params.yaml and dvc.yaml, and no file says where it was made."""

import os
import re
import shlex
import subprocess
from typing import Any

import pytest
from repositories import PROJECT
from ruamel.yaml import YAML

from fashionbench.params import Params

YAML_12 = YAML(typ="safe")
ENTRY_POINTS: dict[str, dict[str, Any]] = YAML_12.load(PROJECT / "MLproject")["entry_points"]


def test_mlproject_has_the_pipeline_each_stage_and_an_experiment() -> None:
    stages = YAML_12.load(PROJECT / "dvc.yaml")["stages"]
    assert ENTRY_POINTS.keys() == {"main", *stages, "experiment"}
    for name, stage in stages.items():
        command = ENTRY_POINTS[name]["command"]
        target = f"{name}@{{network}}" if "foreach" in stage else name
        assert command.endswith(f"dvc repro {target}")


def test_an_experiment_of_mlproject_starts_from_params(params: Params) -> None:
    declared = ENTRY_POINTS["experiment"]["parameters"]
    # The data and the networks are not hyperparameters: they are edited in params.yaml.
    fixed = {"input_size", "num_classes", "none", "networks"}
    assert declared.keys() == Params.model_fields.keys() - fixed
    for name, parameter in declared.items():
        expected = getattr(params, name)
        if name == "seeds":
            assert YAML_12.load(parameter["default"]) == list(expected)
        else:
            assert parameter["default"] == expected
        assert f"-S {name}={{{name}}}" in ENTRY_POINTS["experiment"]["command"]


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
