"""The published copy of the study of logits: when it may stand beside the project's results."""

import json
import shutil
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from made_up import CLAIMS, results
from made_up_trust import calibration
from repositories import PROJECT

from fashionbench.claims.judging import judge
from fashionbench.params import Params, load_params
from fashionbench.studies.published import identities, read_counterpart, read_published
from fashionbench.studies.records import StudyArmRecord, StudyRecord

CODE = Path("src/fashionbench/training/epoch.py")
COPY = Path("metrics/studies/logits")


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Publish made-up results of the study in a project with one file of code."""
    monkeypatch.chdir(tmp_path)
    for name in ("claims.yaml", "dvc.yaml", "params.yaml"):
        shutil.copy(PROJECT / name, tmp_path)
    CODE.parent.mkdir(parents=True)
    CODE.write_text("code")
    COPY.mkdir(parents=True)
    params = load_params().model_copy(update={"loss_input": "logits"})
    found = {f"{name}_logits": one for name, one in identities(params, params.networks).items()}
    (COPY / "identity.json").write_text(json.dumps(found))
    write_record(arm_of_all_claims())
    made_up = results()
    tables = {
        "curves": made_up.curves,
        "scores": made_up.scores,
        "calibration": dict.fromkeys(made_up.scores, calibration(0.1)),
    }
    for table, rows in tables.items():
        whole = pd.concat({f"{name}_logits": rows[name] for name in rows}, names=["network"])
        whole.reset_index(level=0).to_csv(COPY / f"{table}.csv", index=False)
    pd.DataFrame({"network": list(found)}).to_csv(COPY / "comparison.csv", index=False)
    pd.DataFrame({"first": ["n1_mlp"], "second": ["n2_mlp"]}).to_csv(
        COPY / "pairs.csv", index=False
    )
    return COPY


@cache
def arm_of_all_claims() -> StudyArmRecord:
    judged = judge(CLAIMS, results())
    return StudyArmRecord(claims=judge([], results()), effects=(), report=(judged,))


def write_record(arm: StudyArmRecord) -> None:
    record = StudyRecord(
        title="Logits", question="Why?", points=8, replicates=40, arms={"logits": arm}, figures=()
    )
    (COPY / "study.json").write_text(record.model_dump_json())


def test_the_same_but_for_the_loss_is_a_counterpart(copy: Path) -> None:
    found = read_counterpart(load_params())
    assert found is not None
    assert list(found.comparison["network"]) == list(load_params().networks)
    pd.testing.assert_series_equal(
        found.results.score("n3_mlp", "test", "accuracy"),
        results().score("n3_mlp", "test", "accuracy"),
    )
    curve = results().by_epoch("n3_mlp", "val_accuracy")
    assert found.results.by_epoch("n3_mlp", "val_accuracy").to_numpy() == pytest.approx(curve)
    assert list(found.trust.calibration) == list(load_params().networks)
    assert [record.claim for record in found.record.claims] == [claim.number for claim in CLAIMS]
    assert [study.name for study in read_published()] == [copy.name]


@pytest.mark.parametrize(
    ("old", "new", "network"),
    [
        ("num_epochs: 20", "num_epochs: 3", "n1_mlp"),
        ("seeds: [", "seeds: [99, ", "n1_mlp"),
        ("dropout_prob: 0.5", "dropout_prob: 0.4", "n4_dropout"),
    ],
)
@pytest.mark.usefixtures("copy")
def test_other_parameters_are_no_counterpart(
    old: str,
    new: str,
    network: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    path = Path("params.yaml")
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert read_counterpart(load_params()) is None
    assert f"{network} was trained there with other parameters, seeds, code or" in caplog.text
    assert "; make study NAME=logits renews it" in caplog.text
    # Beside the workspace nobody can do anything about it.
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "elsewhere"))
    caplog.clear()
    assert read_counterpart(load_params()) is None
    assert caplog.text == ""


@pytest.mark.usefixtures("copy")
def test_other_code_is_no_counterpart(caplog: pytest.LogCaptureFixture) -> None:
    CODE.write_text("edited")
    assert read_counterpart(load_params()) is None
    assert "n1_mlp was trained there with other" in caplog.text


@pytest.mark.usefixtures("copy")
def test_other_networks_are_no_counterpart(
    params: Params, caplog: pytest.LogCaptureFixture
) -> None:
    fewer = dict(list(params.networks.items())[:3])
    assert read_counterpart(params.model_copy(update={"networks": fewer})) is None
    assert "it has other networks" in caplog.text


def test_other_claims_are_no_counterpart(copy: Path, caplog: pytest.LogCaptureFixture) -> None:
    arm = StudyArmRecord(
        claims=judge([], results()), effects=(), report=(judge(CLAIMS[:3], results()),)
    )
    write_record(arm)
    assert read_counterpart(load_params()) is None
    assert "it was judged by other claims" in caplog.text
    (copy / "study.json").unlink()
    assert read_counterpart(load_params()) is None
    assert "it has not been run" in caplog.text
    assert read_published() == []
