"""dvc.yaml against the code: no stage leaves out a file that can change its results."""

import ast
from collections.abc import Set
from pathlib import Path

import pytest
from repositories import PROJECT
from ruamel.yaml import YAML

from fashionbench.params import NetworkParams, Params

PACKAGE = PROJECT / "src/fashionbench"
NAMED_ON_THE_PAGE = ("prepare", "train", "evaluate")

DECLARED = {
    name: dict(stage.get("do", stage))
    for name, stage in YAML(typ="safe").load((PROJECT / "dvc.yaml").read_text())["stages"].items()
}
"""Each stage of dvc.yaml, or the template of its instances."""
STAGES = [name for name, stage in DECLARED.items() if not stage.get("always_changed")]
"""Those that DVC runs only if something has changed."""

# What stands around the results and cannot change them: messages, displays and MLflow.
WITHOUT_EFFECT = {
    PACKAGE / "errors.py",
    PACKAGE / "training/progress.py",
    PACKAGE / "messages.py",
    *(PACKAGE / "tracking").iterdir(),
}


def files_of(module: str, package: Path) -> set[Path]:
    """Return the files that an import of a package's module runs: its own, and those above it."""
    folder, files = package.parent, []
    for part in module.split("."):
        files += [folder / f"{part}.py", folder / part / "__init__.py"]
        folder /= part
    return {file for file in files if file.exists()}


def imported_by(path: Path, package: Path) -> set[Path]:
    """Return the package's own files that a file imports, at its top or inside a function."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by a relative name"
            assert node.module
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    own = [name for name in modules if name.split(".")[0] == package.name]
    return {file for name in own for file in files_of(name, package)}


def has_code(path: Path) -> bool:
    """Return whether a file holds more than a docstring."""
    return any(
        not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in ast.parse(path.read_text()).body
    )


def needed_by(module: str, package: Path, without_effect: Set[Path] = frozenset()) -> set[Path]:
    """Return the files of all that a module runs, but for those that have no effect."""
    needed: set[Path] = set()
    to_read = files_of(module, package)
    while to_read:
        file = to_read.pop()
        if file not in without_effect | needed and has_code(file):
            needed.add(file)
            to_read |= imported_by(file, package)
    return needed


def code_of(stage: str) -> set[str]:
    """Return the files of code that dvc.yaml names as a stage's dependencies."""
    return {dep for dep in DECLARED[stage]["deps"] if dep.endswith(".py")}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_exactly_the_code_that_it_runs(stage: str) -> None:
    files = needed_by(f"fashionbench.stages.{stage}", PACKAGE, WITHOUT_EFFECT)
    needed = {file.relative_to(PROJECT).as_posix() for file in files}
    if stage == "report":
        needed |= {file for other in NAMED_ON_THE_PAGE for file in code_of(other)}
    assert code_of(stage) == needed


@pytest.fixture
def made_up(tmp_path: Path) -> Path:
    """Write a small package whose modules import each other in every way."""
    package = tmp_path / "made_up"
    for name, text in {
        "__init__": '"""Nothing but words."""',
        "unused": "value = 0",
        "stages/__init__": "",
        "stages/first": "import sys\nfrom made_up import tables\nimport made_up.losses",
        "tables": "def late():\n    from made_up.tracking.models import log\n    return log",
        "losses": "from made_up.training.models import Model as M\nfrom numpy import made_up",
        "tracking/__init__": '"""Tells."""\nfrom made_up.tracking import told',
        "tracking/told": "from made_up.tables import late",
        "tracking/models": "def log(): ...",
        "training/__init__": "epochs = 1",
        "training/models": "class Model: ...",
    }.items():
        path = package / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return package


@pytest.mark.parametrize("is_left_out", [False, True])
def test_what_is_needed_is_found_through_every_import(made_up: Path, is_left_out: bool) -> None:
    tracking = {made_up / f"tracking/{name}.py" for name in ("__init__", "told", "models")}
    found = needed_by("made_up.stages.first", made_up, tracking if is_left_out else frozenset())
    always = ("stages/first", "tables", "losses", "training/__init__", "training/models")
    expected = {made_up / f"{name}.py" for name in always}
    assert found == expected | (set() if is_left_out else tracking)


def test_a_relative_import_is_not_overlooked(made_up: Path) -> None:
    (made_up / "losses.py").write_text("from . import unused")
    with pytest.raises(AssertionError, match="imports by a relative name"):
        needed_by("made_up.stages.first", made_up)


def test_only_evaluate_reads_the_test_split() -> None:
    test_split = "data/prepared/test.safetensors"
    assert [stage for stage in STAGES if test_split in DECLARED[stage].get("deps", [])] == [
        "evaluate"
    ]


def test_all_networks_are_trained_from_the_same_files() -> None:
    assert not [dep for dep in DECLARED["train"]["deps"] if "$" in dep]


def test_every_parameter_belongs_to_a_stage() -> None:
    by_name = {"${item.dropout}": "dropout_prob", "${item.l1}": "l1_strength"}
    by_name |= {"${item.l2}": "l2_strength", "networks.${key}": "networks"}
    used = {by_name.get(name, name) for s in STAGES for name in DECLARED[s].get("params", [])}
    assert used | {"none"} == set(Params.model_fields)
    assert {"dropout", "l1", "l2"} < set(NetworkParams.model_fields)


def test_no_stage_that_computes_depends_on_the_whole_parameter_file() -> None:
    for stage in STAGES:
        assert all(isinstance(name, str) for name in DECLARED[stage].get("params", []))
        whole = "params.yaml" in DECLARED[stage].get("deps", [])
        assert whole == (stage in ("check", "report"))
