"""What a stage depends on: read from dvc.yaml, and watched while the stage runs."""

import os
from pathlib import Path

import pytest
from repositories import PROJECT, copy_files
from ruamel.yaml import YAML

from fashionbench.errors import ChangedError, ConfigError
from fashionbench.files import SUFFIX
from fashionbench.networks import own
from fashionbench.params import load_params
from fashionbench.paths import network_file
from fashionbench.pipeline.dependencies import DATASET, IGNORED, Dependencies

DECLARED = YAML(typ="safe").load((PROJECT / "dvc.yaml").read_text())["stages"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the project's own dvc.yaml and params.yaml, and some of the files they name."""
    monkeypatch.chdir(tmp_path)
    copy_files(tmp_path, "dvc.yaml", "params.yaml", "src/fashionbench/training/epoch.py")
    Path("data/prepared").mkdir(parents=True)
    Path("data/prepared/train.safetensors").write_bytes(b"images")
    Path("models/n4_dropout").mkdir(parents=True)
    Path("models/n4_dropout/seed_0.safetensors").write_bytes(b"weights")
    return tmp_path


def change_params(old: str, new: str) -> None:
    text = Path("params.yaml").read_text()
    assert old in text
    Path("params.yaml").write_text(text.replace(old, new))


def test_templates_are_filled_in_as_dvc_fills_them() -> None:
    found = Dependencies.of("train", "n4_dropout")
    assert found.stage == "train@n4_dropout"
    assert found.files.keys() == {
        Path("data/prepared/train.safetensors"),
        Path("src/fashionbench/training/epoch.py"),
    }
    assert found.params["dropout_prob"] == 0.5
    assert "l1_strength" not in found.params
    assert found.params["networks.n4_dropout"] == vars(load_params().networks["n4_dropout"])


@pytest.mark.parametrize("stage", DECLARED)
def test_every_stage_of_dvc_yaml_can_be_read(stage: str) -> None:
    declared = DECLARED[stage]
    network = "n4_dropout" if "foreach" in declared else None
    found = list(Dependencies.of(stage, network).params)
    entries = declared.get("do", declared).get("params", [])
    names = [name for name in entries if isinstance(name, str)]
    of_dataset = [key for name in entries if not isinstance(name, str) for key in name.values()]
    assert found[: len(names)] == [name.replace("${key}", str(network)) for name in names]
    assert "$" not in "".join(found)
    assert network or len(found) == len(names) + sum(map(len, of_dataset))
    assert sum(name.startswith(DATASET) for name in found) == sum(map(len, of_dataset))


def test_a_network_that_was_edited_after_the_check_is_refused() -> None:
    file = network_file("n4_dropout")
    file.parent.mkdir()
    file.write_bytes(own.facts_of(load_params().network("n4_dropout")))
    assert file in Dependencies.of("train", "n4_dropout").files
    change_params("dropout_prob: 0.5", "dropout_prob: 0.3")
    with pytest.raises(ChangedError, match="of n4_dropout was edited after the stage check"):
        Dependencies.of("train", "n4_dropout")


def test_what_dvc_ignores_in_folders_is_no_dependency() -> None:
    found = Dependencies.of("evaluate", "n4_dropout")
    names = (".DS_Store", "__pycache__/x.py", "a.pyc", ".seed_0.swp", "seed_0~", ".#seed_0", "#a#")
    for name in names:
        path = Path("models/n4_dropout") / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("new")
    found.check_unchanged()
    assert Dependencies.of("evaluate", "n4_dropout").files == found.files
    Path("models/n4_dropout/seed_1.safetensors").write_bytes(b"weights")
    with pytest.raises(ChangedError, match=r"n4_dropout/seed_1.safetensors changed while"):
        found.check_unchanged()


def test_names_that_are_ignored_are_those_of_dvcignore() -> None:
    lines = (PROJECT / ".dvcignore").read_text().splitlines()
    patterns = [line.replace("\\#", "#") for line in lines if not line.startswith("#")]
    # Whole pipelines are left out too, by their place; no stage depends on one.
    assert {pattern for pattern in patterns if not pattern.startswith("/")} == set(IGNORED)
    assert f"*{SUFFIX}" in IGNORED, "a file that was not written whole"


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean n4_dropout"):
        Dependencies.of("train", "n4_dropot")


def test_what_is_only_touched_or_not_a_dependency_counts_as_unchanged() -> None:
    found = Dependencies.of("train", "n4_dropout")
    found.check_unchanged()
    os.utime("src/fashionbench/training/epoch.py", (0, 0))
    os.utime("params.yaml", (0, 0))
    change_params("l1_strength: 0.001", "l1_strength: 0.1")
    Path("src/fashionbench/page").mkdir()
    Path("src/fashionbench/page/figures.py").write_text("new")
    found.check_unchanged()


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("src/fashionbench/training/epoch.py", b"edited"),
        ("src/fashionbench/training/losses.py", b"new"),
        ("src/fashionbench/training/epoch.py", None),
        ("data/prepared/train.safetensors", b"Images"),
    ],
)
def test_an_edited_a_new_and_a_deleted_file_are_named(path: str, content: bytes | None) -> None:
    found = Dependencies.of("train", "n4_dropout")
    if content is None:
        Path(path).unlink()
    else:
        Path(path).write_bytes(content)
    with pytest.raises(ChangedError, match=f"{path} changed while train@n4_dropout ran"):
        found.check_unchanged()


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("dropout_prob: 0.5", "dropout_prob: 0.3", "dropout_prob"),
        ("num_epochs: 20", "num_epochs: 21", "num_epochs"),
        (
            "[128, 64], batch_norm: false, dropout: dropout_prob",
            "[64, 64], batch_norm: false, dropout: dropout_prob",
            "networks.n4_dropout",
        ),
    ],
)
def test_an_edited_parameter_is_named(old: str, new: str, name: str) -> None:
    found = Dependencies.of("train", "n4_dropout")
    change_params(old, new)
    with pytest.raises(ChangedError, match=f"{name} in params.yaml changed"):
        found.check_unchanged()
