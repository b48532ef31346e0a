"""dvc.yaml against the code: no stage leaves out a file that can change its results."""

import ast
from pathlib import Path
from typing import Any

import pytest
from repositories import PROJECT
from ruamel.yaml import YAML

from fashionbench.params import NetworkParams, Params

PACKAGE = PROJECT / "src/fashionbench"
STAGES = ("check", "download", "prepare", "train", "evaluate", "compare", "report")
NAMED_ON_THE_PAGE = ("prepare", "train", "evaluate")

# What stands around the results and cannot change them: messages, displays and MLflow.
WITHOUT_EFFECT = {
    "errors.py",
    "progress.py",
    "wording.py",
    *(file.name for file in (PACKAGE / "tracking").iterdir()),
}


def declared(stage: str) -> dict[str, Any]:
    """A stage of dvc.yaml, or the template of its instances."""
    stages = YAML(typ="safe").load((PROJECT / "dvc.yaml").read_text())["stages"]
    return dict(stages[stage].get("do", stages[stage]))


def imported_by(path: Path) -> set[Path]:
    """The package's own files that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and "fashionbench" in node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            files = [PACKAGE.parent / f"{name.replace('.', '/')}.py" for name in names]
            found |= {file for file in files if file.exists()}
    return found


def needed_by(path: Path) -> set[Path]:
    """A file and all that it imports, directly or not, except what has no effect."""
    needed: set[Path] = set()
    to_read = {path}
    while to_read:
        file = to_read.pop()
        if file.name not in WITHOUT_EFFECT and file not in needed:
            needed.add(file)
            to_read |= imported_by(file)
    return needed


def code_of(stage: str) -> set[str]:
    """The files of code that dvc.yaml names as a stage's dependencies."""
    return {dep for dep in declared(stage)["deps"] if dep.endswith(".py")}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_exactly_the_code_that_it_runs(stage: str) -> None:
    needed = {str(file.relative_to(PROJECT)) for file in needed_by(PACKAGE / f"stages/{stage}.py")}
    if stage == "report":
        needed |= {file for other in NAMED_ON_THE_PAGE for file in code_of(other)}
    assert code_of(stage) == needed


def test_only_evaluate_reads_the_test_split() -> None:
    test_split = "data/prepared/test.safetensors"
    assert [stage for stage in STAGES if test_split in declared(stage).get("deps", [])] == [
        "evaluate"
    ]


def test_all_networks_are_trained_from_the_same_files() -> None:
    assert not [dep for dep in declared("train")["deps"] if "$" in dep]


def test_every_parameter_belongs_to_a_stage() -> None:
    by_name = {"${item.dropout}": "dropout_prob", "${item.l1}": "l1_strength"}
    by_name |= {"${item.l2}": "l2_strength", "networks.${key}": "networks"}
    used = {by_name.get(name, name) for s in STAGES for name in declared(s).get("params", [])}
    assert used | {"none"} == set(Params.model_fields)
    assert {"dropout", "l1", "l2"} < set(NetworkParams.model_fields)


def test_no_stage_that_computes_depends_on_the_whole_parameter_file() -> None:
    for stage in STAGES:
        assert all(isinstance(name, str) for name in declared(stage).get("params", []))
        whole = "params.yaml" in declared(stage).get("deps", [])
        assert whole == (stage in ("check", "report"))
