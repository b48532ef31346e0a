"""The stages of a study after its trainings, on made-up tables: verdicts, page, published copy."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from made_up import CLAIMS, NETWORKS, results
from made_up_studies import write_tables
from repositories import PROJECT
from write_studies import write_study

from fashionbench.analysis.result_files import COMPARISON_FILE, FIGURES_DIR, PAGE_FILE
from fashionbench.claims.words import describe_lost
from fashionbench.errors import ConfigError
from fashionbench.params import Params, load_params
from fashionbench.stages import analyse, compare, publish
from fashionbench.studies.published import read_counterpart, read_published
from fashionbench.studies.records import RECORD_FILE, read_record
from fashionbench.tables import read_table

CODE = Path("src/fashionbench/training/epoch.py")
COPY = Path("metrics/studies/logits")


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a project with the study of logits, and work there on what its trainings would leave."""
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path / "studies/logits")
    return tmp_path


def make_project(top: Path) -> None:
    for name in ("claims.yaml", "datasets.yaml", "dvc.yaml", "params.yaml"):
        shutil.copy(PROJECT / name, top)
    (top / CODE).parent.mkdir(parents=True)
    (top / CODE).write_text("code")
    folder = top / "studies/logits"
    folder.mkdir(parents=True)
    declared = (PROJECT / "studies/logits/study.yaml").read_text()
    declared = re.sub("report_claims: .*", "report_claims: [5]", declared)
    (folder / "study.yaml").write_text(declared)
    write_study(folder, PROJECT)
    # Made up are replicates of five seeds.
    for path in (top / "params.yaml", folder / "params.yaml"):
        path.write_text(re.sub(r"seeds: \[.*?]", "seeds: [0, 1, 2, 3, 4]", path.read_text()))
    for name in NETWORKS:
        write_tables(folder, f"{name}_logits", results(), name)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Publish the study of a project."""
    top = tmp_path_factory.mktemp("published")
    make_project(top)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(top / "studies/logits")
        for stage in (compare, analyse, publish):
            stage.run()
    return top


@pytest.fixture
def published(once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a project whose study has been published; return it."""
    top = tmp_path / "project"
    shutil.copytree(once, top)
    monkeypatch.chdir(top)
    return top


def test_a_study_is_analysed_to_the_same_bytes_and_published_alone(trained: Path) -> None:
    compare.run()
    assert list(read_table(COMPARISON_FILE)["network"]) == [f"{name}_logits" for name in NETWORKS]
    assert not FIGURES_DIR.exists()
    analyse.run()
    record = read_record()
    assert (record.points, record.replicates) == (8, 40)
    assert [figure.name for figure in record.figures] == ["accuracy"]
    made = {path: path.read_bytes() for path in (RECORD_FILE, PAGE_FILE)}
    analyse.run()
    assert {path: path.read_bytes() for path in made} == made
    (trained / COPY).mkdir(parents=True)
    (trained / COPY / "old.svg").touch()
    publish.run()
    assert not (trained / COPY / "old.svg").exists()
    assert (trained / COPY / RECORD_FILE.name).read_bytes() == made[RECORD_FILE]


@pytest.mark.usefixtures("trained")
def test_a_study_whose_files_are_not_up_to_date_is_not_analysed() -> None:
    path = Path("study.yaml")
    path.write_text(path.read_text().replace("n7_l2: {}, ", ""))
    with pytest.raises(ConfigError, match=r"params.yaml does not match study.yaml; run"):
        analyse.run()


@pytest.mark.usefixtures("published")
def test_the_same_but_for_the_loss_is_a_counterpart() -> None:
    (study,) = read_published()
    assert study.name == "logits"
    assert "<svg" in study.figures["accuracy"]
    found = read_counterpart(load_params())
    assert found is not None
    assert list(found.comparison["network"]) == list(found.trust.calibration) == list(NETWORKS)
    assert describe_lost(found.record) == "none"
    assert set(found.pairs["first"]) | set(found.pairs["second"]) == set(NETWORKS)
    pd.testing.assert_series_equal(
        found.results.score("n3_mlp", "test", "accuracy"),
        results().score("n3_mlp", "test", "accuracy"),
    )
    curve = results().by_epoch("n3_mlp", "val_accuracy")
    assert found.results.by_epoch("n3_mlp", "val_accuracy").to_numpy() == pytest.approx(curve)
    assert [record.claim for record in found.record.claims] == [claim.number for claim in CLAIMS]


@pytest.mark.usefixtures("published")
def test_a_counterpart_may_lack_a_network_that_has_been_added() -> None:
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(f"{text}\n  n9_added: {{hidden_sizes: [3]}}\n")
    found = read_counterpart(load_params())
    assert found is not None
    assert list(found.comparison["network"]) == list(NETWORKS)


@pytest.mark.parametrize(
    ("path", "old", "new", "network"),
    [
        ("params.yaml", "num_epochs: 20", "num_epochs: 3", "n1_mlp"),
        ("params.yaml", "seeds: [", "seeds: [99, ", "n1_mlp"),
        ("params.yaml", "dropout_prob: 0.5", "dropout_prob: 0.4", "n4_dropout"),
        (str(CODE), "code", "edited", "n1_mlp"),
    ],
)
@pytest.mark.usefixtures("published")
def test_other_parameters_or_code_are_no_counterpart(
    path: str,
    old: str,
    new: str,
    network: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new))
    assert read_counterpart(load_params()) is None
    assert f"{network} was trained there with other parameters, seeds, code or" in caplog.text
    assert "; make study NAME=logits renews it" in caplog.text
    # Beside the workspace nobody can do anything about it.
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "elsewhere"))
    caplog.clear()
    assert read_counterpart(load_params()) is None
    assert caplog.text == ""


@pytest.mark.usefixtures("published")
def test_other_networks_or_claims_are_no_counterpart(
    params: Params, caplog: pytest.LogCaptureFixture
) -> None:
    fewer = dict(list(params.networks.items())[:3])
    assert read_counterpart(params.model_copy(update={"networks": fewer})) is None
    assert "it has other networks" in caplog.text
    path = COPY / RECORD_FILE.name
    record = read_record(path)
    arm = record.arms["logits"]
    first, *rest = arm.report[0].claims
    wider = [one.model_copy(update={"margin": 0.5}) for one in first.conditions]
    edited = first.model_copy(update={"conditions": tuple(wider)})
    for claims in (rest, [edited, *rest]):
        caplog.clear()
        judged = arm.report[0].model_copy(update={"claims": tuple(claims)})
        others = {"logits": arm.model_copy(update={"report": (judged,)})}
        path.write_text(record.model_copy(update={"arms": others}).model_dump_json())
        assert read_counterpart(load_params()) is None
        assert "it was judged by other claims" in caplog.text
    path.unlink()
    assert read_counterpart(load_params()) is None
    assert "it has not been run" in caplog.text
    assert read_published() == []
