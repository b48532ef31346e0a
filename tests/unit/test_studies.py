"""Studies: when the tables of an experiment may stand beside other results."""

import hashlib
import shutil
from pathlib import Path

import pytest
from repositories import PROJECT
from ruamel.yaml import YAML

from fashionbench.analysis.studies import LOGITS_STUDY, is_counterpart
from fashionbench.params import Params, load_params
from fashionbench.yaml_files import read_yaml

STUDY = Path("studies/made_up")
CODE = Path("src/fashionbench/training/epoch.py")


def test_the_kept_study_was_made_by_this_code_with_these_parameters(
    monkeypatch: pytest.MonkeyPatch, params: Params, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(PROJECT)
    if not (LOGITS_STUDY / "dvc.lock").exists():
        pytest.skip(f"there are no results in {LOGITS_STUDY}; make logits creates them")
    assert is_counterpart(LOGITS_STUDY, params), caplog.text


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a study with the project's parameters and one file of code in the current folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(PROJECT / "params.yaml", tmp_path)
    CODE.parent.mkdir(parents=True)
    CODE.write_text("code")
    params = read_yaml(Path("params.yaml"))
    code = {"path": str(CODE), "md5": hashlib.md5(CODE.read_bytes()).hexdigest()}
    stages = {"prepare": {"deps": [code], "params": {"params.yaml": {"split_seed": 0}}}}
    for name, network in params["networks"].items():
        locked = {"loss_input": "logits", "num_epochs": 20, f"networks.{name}": network}
        for stage in ("train", "evaluate"):
            stages[f"{stage}@{name}"] = {"deps": [code], "params": {"params.yaml": locked}}
    STUDY.mkdir(parents=True)
    with (STUDY / "dvc.lock").open("w") as file:
        YAML().dump({"stages": stages}, file)
    return STUDY


def test_other_parameters_are_no_counterpart(study: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = Path("params.yaml")
    path.write_text(path.read_text().replace("num_epochs: 20", "num_epochs: 3"))
    assert not is_counterpart(study, load_params())
    assert f"{study} is left out of the page: its num_epochs is 20, not 3; run make" in caplog.text


def test_a_parameter_that_is_gone_is_named(
    study: Path, params: Params, caplog: pytest.LogCaptureFixture
) -> None:
    lock = study / "dvc.lock"
    lock.write_text(lock.read_text().replace("split_seed: 0", "old_seed: 0"))
    assert not is_counterpart(study, params)
    assert "its old_seed is not in params.yaml" in caplog.text


def test_the_loss_is_what_may_differ(study: Path) -> None:
    assert is_counterpart(study, load_params())
    path = Path("params.yaml")
    path.write_text(path.read_text().replace("loss_input: probabilities", "loss_input: logits"))
    assert is_counterpart(study, load_params())


@pytest.mark.parametrize("change", ["edited", "removed"])
def test_other_code_is_no_counterpart(
    study: Path, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    CODE.write_text("edited") if change == "edited" else CODE.unlink()
    assert not is_counterpart(study, load_params())
    assert f"it was made with another version of {CODE}" in caplog.text


def test_a_study_that_lacks_a_network_or_all_is_no_counterpart(
    study: Path, params: Params, caplog: pytest.LogCaptureFixture
) -> None:
    more = params.model_copy(
        update={"networks": params.networks | {"n9": params.networks["n2_mlp"]}}
    )
    assert not is_counterpart(study, more)
    assert "it has no stage train@n9" in caplog.text
    assert not is_counterpart(Path("studies/none"), params)
    assert "it does not exist" in caplog.text
