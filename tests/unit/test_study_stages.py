"""The stages of a study after its trainings, on made-up tables: verdicts, page, published copy."""

import shutil
from pathlib import Path

import pytest
from made_up import NETWORKS, results
from made_up_trust import calibration
from repositories import PROJECT
from write_studies import write_study

from fashionbench.analysis.files import COMPARISON_FILE, FIGURES_DIR, PAGE_FILE
from fashionbench.claims.words import describe_lost
from fashionbench.errors import ConfigError
from fashionbench.params import load_params
from fashionbench.stages import analyse, compare, publish
from fashionbench.studies.published import read_counterpart, read_published
from fashionbench.studies.records import RECORD_FILE, read_record
from fashionbench.tables import read_table, write_table

CODE = Path("src/fashionbench/training/epoch.py")


@pytest.fixture
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a project with the study of logits, and the tables that its trainings would leave."""
    for name in ("claims.yaml", "dvc.yaml", "params.yaml"):
        shutil.copy(PROJECT / name, tmp_path)
    (tmp_path / CODE).parent.mkdir(parents=True)
    (tmp_path / CODE).write_text("code")
    folder = tmp_path / "studies/logits"
    folder.mkdir(parents=True)
    shutil.copy(PROJECT / "studies/logits/study.yaml", folder)
    write_study(folder, PROJECT)
    made_up = results()
    for name in NETWORKS:
        tables = {
            "curves": made_up.curves[name],
            "scores": made_up.scores[name],
            "weights": made_up.weights[name],
            "calibration": calibration(0.1, 0.2),
        }
        for table, rows in tables.items():
            write_table(rows, folder / f"metrics/networks/{name}_logits/{table}.csv")
    monkeypatch.chdir(folder)
    return tmp_path


def test_what_a_study_finds_reaches_the_projects_page(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    (top / "metrics/studies/logits").mkdir(parents=True)
    (top / "metrics/studies/logits/old.svg").touch()
    publish.run()
    monkeypatch.chdir(top)
    (published,) = read_published()
    assert (published.name, published.record) == ("logits", record)
    assert "<svg" in published.figures["accuracy"]
    assert not Path("metrics/studies/logits/old.svg").exists()
    found = read_counterpart(load_params())
    assert found is not None
    assert list(found.comparison["network"]) == list(NETWORKS)
    assert describe_lost(found.record) == "none"
    assert set(found.pairs["first"]) | set(found.pairs["second"]) == set(NETWORKS)


@pytest.mark.usefixtures("top")
def test_a_study_whose_files_are_not_up_to_date_is_not_analysed() -> None:
    path = Path("study.yaml")
    path.write_text(path.read_text().replace("n7_l2: {}, ", ""))
    with pytest.raises(ConfigError, match=r"params.yaml does not match study.yaml; run"):
        analyse.run()
