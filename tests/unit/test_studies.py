"""Studies: when the tables of an experiment may stand beside other results."""

import shutil
from pathlib import Path

import pytest
from repositories import PROJECT

from fashionbench.analysis.studies import LOGITS_STUDY, is_counterpart
from fashionbench.params import Params, load_params


def test_the_kept_study_was_made_by_this_code_with_these_parameters(
    monkeypatch: pytest.MonkeyPatch, params: Params, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(PROJECT)
    assert is_counterpart(LOGITS_STUDY, params), caplog.text


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy the code and the study that is kept, and make that the current folder."""
    for name in ("src", "studies"):
        shutil.copytree(PROJECT / name, tmp_path / name)
    shutil.copy(PROJECT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return LOGITS_STUDY


def test_other_parameters_are_no_counterpart(study: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = Path("params.yaml")
    path.write_text(path.read_text().replace("num_epochs: 20", "num_epochs: 3"))
    assert not is_counterpart(study, load_params())
    assert f"{study} is left out of the page: its num_epochs is 20 (make logits" in caplog.text


def test_the_loss_is_what_may_differ(study: Path) -> None:
    assert is_counterpart(study, load_params())
    path = Path("params.yaml")
    path.write_text(path.read_text().replace("loss_input: probabilities", "loss_input: logits"))
    assert is_counterpart(study, load_params())


@pytest.mark.parametrize("change", ["edited", "removed"])
def test_other_code_is_no_counterpart(
    study: Path, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    code = Path("src/fashionbench/training/epoch.py")
    code.write_text(f"{code.read_text()}# edited\n") if change == "edited" else code.unlink()
    assert not is_counterpart(study, load_params())
    assert f"it was made by another {code}" in caplog.text


def test_a_study_that_lacks_a_network_or_all_is_no_counterpart(
    study: Path, params: Params, caplog: pytest.LogCaptureFixture
) -> None:
    more = params.model_copy(
        update={"networks": params.networks | {"n9": params.networks["n2_mlp"]}}
    )
    assert not is_counterpart(study, more)
    assert "it has no stage train@n9" in caplog.text
    assert not is_counterpart(Path("studies/none"), params)
    assert "it has not been made" in caplog.text
