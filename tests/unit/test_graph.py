"""dvc.yaml against the code: no stage leaves out a file that can change its results."""

from pathlib import Path

import pytest
from repositories import PROJECT
from ruamel.yaml import YAML
from write_dependencies import code_of, needed_by, with_dependencies

from fashionbench.params import STRENGTHS, Params

DECLARED = {
    name: dict(stage.get("do", stage))
    for name, stage in YAML(typ="safe").load((PROJECT / "dvc.yaml").read_text())["stages"].items()
}
"""Each stage of dvc.yaml, or the template of its instances."""
STAGES = [name for name, stage in DECLARED.items() if not stage.get("always_changed")]
"""Those that DVC runs only if something has changed."""


def test_a_stage_depends_on_exactly_the_code_that_it_runs() -> None:
    text = (PROJECT / "dvc.yaml").read_text()
    assert with_dependencies(text, PROJECT) == text, "make deps writes the lists"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_runs_code_of_its_own(stage: str) -> None:
    assert f"src/fashionbench/stages/{stage}.py" in code_of(stage, PROJECT)
    assert not [file for file in code_of(stage, PROJECT) if "/tracking/" in file]


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
    with pytest.raises(ValueError, match=r"losses.py, line 1: import by the full name instead"):
        needed_by("made_up.stages.first", made_up)


def test_only_evaluate_reads_test_images_and_report_their_labels() -> None:
    test_split = "data/prepared/test.safetensors"
    readers = [stage for stage in STAGES if test_split in DECLARED[stage].get("deps", [])]
    assert readers == ["evaluate", "report"]
    # What loads images is not among the code of report; tests/unit/test_correctness.py has files
    # of labels alone.
    assert "src/fashionbench/data/examples.py" not in code_of("report", PROJECT)


def test_networks_differ_in_one_file_and_their_own_parameters() -> None:
    train = DECLARED["train"]
    own = [name for name in train["deps"] + train["params"] if "${key}" in name]
    assert own == ["data/networks/${key}.json", "networks.${key}"]


def named_parameters(stage: str) -> list[str]:
    """Return the parameters of a stage, and the other files of which it names some."""
    entries = DECLARED[stage].get("params", [])
    return [name for entry in entries for name in ([entry] if isinstance(entry, str) else entry)]


def test_every_parameter_belongs_to_a_stage() -> None:
    by_name = {"networks.${key}": "networks", "datasets.yaml": "dataset"}
    used = {by_name.get(name, name) for s in STAGES for name in named_parameters(s)}
    assert used | set(STRENGTHS) == set(Params.model_fields)


def test_no_stage_that_computes_depends_on_the_whole_parameter_file() -> None:
    for stage in STAGES:
        assert "params.yaml" not in named_parameters(stage)
        whole = "params.yaml" in DECLARED[stage].get("deps", [])
        assert whole == (stage in ("check", "report"))
