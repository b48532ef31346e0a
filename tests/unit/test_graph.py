"""dvc.yaml against the code: no stage leaves out a file that can change its results."""

import hashlib
from collections import defaultdict
from pathlib import Path

import pytest
from repositories import PROJECT
from ruamel.yaml import YAML
from write_dependencies import needed_by, with_dependencies

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


def reruns() -> dict[str, set[str]]:
    """Return the stages of dvc.yaml by the file or parameter of which a change reruns them."""
    found = defaultdict(set)
    for stage in STAGES:
        for name in (*DECLARED[stage].get("deps", ()), *named_parameters(stage)):
            found[name].add(stage)
    return found


OF_NETWORKS = {"train", "evaluate"}


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("batch_size", {"train"}),
        # The comparison counts the operations of all epochs.
        ("num_epochs", {"train", "compare"}),
        ("learning_rate", OF_NETWORKS),
        ("loss_input", OF_NETWORKS),
        ("seeds", OF_NETWORKS),
        ("networks.${key}", OF_NETWORKS),
        ("split_seed", {"prepare"}),
        ("train_size", {"prepare", "compare"}),
        # Any parameter: to check it, and to show it on the page.
        ("params.yaml", {"check", "report"}),
        # Of the test images report reads labels alone: what loads images is not among its code.
        ("data/prepared/test.safetensors", {"evaluate", "report"}),
        ("data/examples.py", {"check", "train", "evaluate"}),
        ("page/figures.py", {"compare", "report"}),
        ("claims/judging.py", {"report"}),
        ("evaluation/trained.py", {"evaluate"}),
        ("page/captions.py", {"report"}),
        ("data/sources.py", {"download", "duplicates", "prepare"}),
        ("training/epoch.py", {"train"}),
        ("pipeline/stage_lock.py", set()),
        ("tracking/runs.py", set()),
        ("messages.py", set()),
    ],
)
def test_a_change_reruns_the_stages_that_use_it_and_no_others(name: str, stages: set[str]) -> None:
    found = reruns()
    if name.endswith(".py"):
        path = Path("src/fashionbench") / name
        assert (PROJECT / path).exists()
        # A stage may depend on the whole package.
        assert found[path.as_posix()] | found[path.parent.as_posix()] == stages
    else:
        assert found[name] == stages


def test_committed_results_are_what_the_lock_says() -> None:
    """They may be those of earlier code, which the lock then names, but of no other run."""
    lock = YAML(typ="safe").load((PROJECT / "dvc.lock").read_text())["stages"]
    outs = [out for stage in lock.values() for out in stage.get("outs", [])]
    files = {out["path"]: out["md5"] for out in outs if (PROJECT / out["path"]).is_file()}
    assert "metrics/comparison.csv" in files
    assert {path: hashlib.md5((PROJECT / path).read_bytes()).hexdigest() for path in files} == files
