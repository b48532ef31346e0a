"""The recipes of CONTRIBUTING.md, followed to the letter."""

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from repositories import PROJECT
from ruamel.yaml import YAML
from write_studies import write_study

from fashionbench.analysis import claims
from fashionbench.analysis.results import Results
from fashionbench.analysis.verdicts import judge
from fashionbench.page import figures
from fashionbench.params import Params, load_params
from fashionbench.pipeline.dependencies import Dependencies
from fashionbench.stages import check
from fashionbench.studies.claims import claims_of
from fashionbench.studies.declared import read_study
from fashionbench.studies.design import Design
from fashionbench.tables import read_table


def code_of(heading: str, language: str) -> str:
    """Return the code block below a heading."""
    text = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    (block,) = re.findall(rf"^( *)```{language}\n(.*?)^\1```", section, flags=re.S | re.M)
    return block[1] if language == "yaml" else textwrap.dedent(block[1])


def test_a_network_is_added(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(PROJECT / "dvc.yaml", tmp_path)
    text = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    Path("params.yaml").write_text(text + code_of("Add a network", "yaml"), encoding="utf-8")
    changed = load_params()
    (name,) = changed.networks.keys() - params.networks.keys()
    assert changed.network(name).conv_filters == (16, 32)
    check.run()
    # Of what is shared, no other network's training depends on the new one.
    of_others, own = (Dependencies.of("train", network).params for network in ("n2_mlp", name))
    assert f"networks.{name}" in own
    assert f"networks.{name}" not in of_others


def test_a_claim_is_added_and_judged_on_the_committed_results(params: Params) -> None:
    claim = eval(code_of("Add a claim", "python"), vars(claims).copy())
    assert claim.number == len(claims.CLAIMS) + 1
    (judged,) = judge([claim], Results.read(PROJECT, params.networks, params.loss_input)).claims
    assert judged.conditions
    assert judged.p is not None
    assert judged.verdict in ("reproduced", "contradicted", "inconclusive")


def test_a_figure_is_added_and_its_bytes_are_always_the_same() -> None:
    namespace = vars(figures).copy()
    exec(code_of("Add a figure", "python"), namespace)
    comparison = read_table(PROJECT / "metrics/comparison.csv")
    first, second = (
        figures.svg_text(namespace["draw_generalisation"](comparison)) for _ in range(2)
    )
    assert "<svg" in first
    assert first == second


def test_a_study_is_added(tmp_path: Path, params: Params) -> None:
    (tmp_path / "study.yaml").write_text(code_of("Add a study", "yaml"), encoding="utf-8")
    assert write_study(tmp_path, PROJECT) == ["params.yaml", "dvc.yaml"]
    points = load_params(tmp_path / "params.yaml")
    assert list(points.networks) == ["n2_mlp", "n2_mlp_batch_size_1024"]
    assert points.of("n2_mlp_batch_size_1024").batch_size == 1024
    (claim,) = claims_of(Design(read_study(tmp_path / "study.yaml"), params))
    assert claim.number == len(claims.CLAIMS) + 12


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Copy what ``make deps`` reads and writes."""
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("src", "tools"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=ignored)
    shutil.copy(PROJECT / "dvc.yaml", tmp_path)
    return tmp_path


def make_deps(folder: Path) -> dict[str, list[str]]:
    """Run what ``make deps`` runs; return the dependencies of each stage, or of its template."""
    command = [sys.executable, "tools/write_dependencies.py"]
    subprocess.run(command, cwd=folder, check=True)
    stages = YAML(typ="safe").load(folder / "dvc.yaml")["stages"]
    return {name: stage.get("do", stage)["deps"] for name, stage in stages.items()}


@pytest.mark.tries("make deps")
def test_a_dependency_and_a_stage_are_added(folder: Path) -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    assert "\ndeps: $(READY)\n\tpython tools/write_dependencies.py\n" in makefile
    declared = folder / "dvc.yaml"
    before, text = make_deps(folder), declared.read_text(encoding="utf-8")
    assert text == (PROJECT / "dvc.yaml").read_text(encoding="utf-8")
    stages = folder / "src/fashionbench/stages"
    with (stages / "prepare.py").open("a", encoding="utf-8") as file:
        file.write("\nimport fashionbench.training.losses\n")
    (stages / "count.py").write_text("from fashionbench.analysis import pairs\n", encoding="utf-8")
    stage = "stages:\n  count:\n    cmd: count\n    deps:\n      - metrics/networks\n"
    declared.write_text(text.replace("stages:\n", stage, 1), encoding="utf-8")
    after = make_deps(folder)
    assert "src/fashionbench/training/losses.py" in set(after["prepare"]) - set(before["prepare"])
    assert after["count"][0] == "metrics/networks"
    code = {"stages/count.py", "analysis/pairs.py"}
    assert {f"src/fashionbench/{name}" for name in code} <= set(after["count"])
    assert {name: after[name] for name in before if name != "prepare"} == {
        name: deps for name, deps in before.items() if name != "prepare"
    }
