"""Studies: what is kept of an experiment, and when it may stand beside other results."""

import shutil
from pathlib import Path

import pytest
from repositories import PROJECT, Repository
from ruamel.yaml import YAML

from fashionbench.params import Params, load_params
from fashionbench.studies import LOGITS_STUDY, is_counterpart


def test_the_kept_study_was_made_by_this_code_with_these_parameters(
    monkeypatch: pytest.MonkeyPatch, params: Params, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(PROJECT)
    assert is_counterpart(LOGITS_STUDY, params), caplog.text


def test_an_experiment_is_kept_with_its_lock_and_its_tables(untrained: Repository) -> None:
    short = ("-S", "num_epochs=1", "-S", "loss_input=logits")
    untrained.run("dvc", "exp", "run", "--name", "other", *short, "compare")
    untrained.run("git", "checkout", "-f", "HEAD")
    leftover = untrained.path / "studies/other/metrics/networks/n0_gone/curves.csv"
    leftover.parent.mkdir(parents=True)
    leftover.write_text("of an earlier study")
    untrained.run("fashionbench", "keep", "other", "studies/other")
    kept = untrained.path / "studies/other"
    stages = YAML(typ="safe").load((kept / "dvc.lock").read_text())["stages"]
    assert stages["train@slow"]["params"]["params.yaml"]["loss_input"] == "logits"
    assert (kept / "metrics/comparison.csv").exists()
    assert (kept / "metrics/networks/slow/curves.csv").exists()
    assert not leftover.exists()
    assert not (kept / "metrics/figures").exists()


def test_an_experiment_that_is_not_there_is_named(copied: Repository) -> None:
    done = copied.run("fashionbench", "keep", "nothing", "studies/other", check=False)
    assert done.returncode == 1
    assert "there is no experiment 'nothing'" in done.stderr
    assert "dvc exp list" in done.stderr
    assert not (copied.path / "studies/other").exists()


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the code and of the study that is kept, as the current folder."""
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
    code = Path("src/fashionbench/training.py")
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
