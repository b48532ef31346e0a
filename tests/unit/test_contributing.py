"""The recipes of CONTRIBUTING.md, followed to the letter."""

import json
import re
import sys
import textwrap
from pathlib import Path

import pytest
from made_up import CLAIMS
from repositories import PROJECT, Repository, copy_files
from ruamel.yaml import YAML
from write_studies import studies, write_study

from fashionbench.analysis.results import Results
from fashionbench.claims.judging import judge
from fashionbench.claims.quantities import load_claims
from fashionbench.page import figures
from fashionbench.params import Params, load_params
from fashionbench.paths import network_file
from fashionbench.pipeline.dependencies import Dependencies
from fashionbench.stages import check
from fashionbench.studies.design import Design, read_study
from fashionbench.tables import read_table
from fashionbench.training.costs import count


def codes_of(heading: str, language: str) -> list[str]:
    """Return the code blocks of a language below a heading."""
    text = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```", section, flags=re.S | re.M)
    return [text if language == "yaml" else textwrap.dedent(text) for _, text in found]


def code_of(heading: str, language: str) -> str:
    """Return the one code block of a language below a heading."""
    (block,) = codes_of(heading, language)
    return block


def test_networks_are_added(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    copy_files(tmp_path, "dvc.yaml", "claims.yaml", "networks")
    text = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    lines = "".join(codes_of("Add a network", "yaml"))
    Path("params.yaml").write_text(text + lines, encoding="utf-8")
    Path("networks/mixer.py").write_text(code_of("Add a network", "python"), encoding="utf-8")
    changed = load_params()
    own, plain = (name for name in changed.networks if name not in params.networks)
    assert changed.network(own).module == "networks/mixer.py:Mixer"
    assert changed.network(plain).conv_filters == (16, 32)
    assert count(changed.network(own)).outside == ()
    check.run()
    # Of what is shared, no other network's training depends on the new ones.
    of_others, *of_new = (Dependencies.of("train", name).params for name in ("n2_mlp", own, plain))
    for name, found in zip((own, plain), of_new, strict=True):
        assert f"networks.{name}" in found
        assert f"networks.{name}" not in of_others
    assert json.loads(network_file(own).read_text())["code"].keys() == {"networks/mixer.py"}


def test_a_claim_is_added_and_judged_on_the_committed_results(
    tmp_path: Path, params: Params
) -> None:
    text = (PROJECT / "claims.yaml").read_text(encoding="utf-8")
    path = tmp_path / "claims.yaml"
    path.write_text(text + code_of("Add a claim", "yaml"), encoding="utf-8")
    *old, claim = load_claims(path)
    assert [one.number for one in old] == [one.number for one in CLAIMS]
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


def numbers() -> set[str]:
    """Return the numbers of all claims of the project."""
    of_studies = {
        claim.number
        for folder in studies(PROJECT)
        for claim in read_study(folder / "study.yaml").claims
    }
    return of_studies | {claim.number for claim in CLAIMS}


def test_a_study_is_added(tmp_path: Path, params: Params) -> None:
    (tmp_path / "study.yaml").write_text(code_of("Add a study", "yaml"), encoding="utf-8")
    assert write_study(tmp_path, PROJECT) == ["params.yaml", "dvc.yaml"]
    points = load_params(tmp_path / "params.yaml")
    assert list(points.networks) == ["n2_mlp", "n2_mlp_batch_size_1024"]
    assert points.of("n2_mlp_batch_size_1024").batch_size == 1024
    (claim,) = Design(read_study(tmp_path / "study.yaml"), params).claims()
    assert claim.number not in numbers()


def make_deps(folder: Path) -> dict[str, list[str]]:
    """Run what ``make deps`` runs; return the dependencies of each stage, or of its template."""
    Repository(folder).run(sys.executable, "tools/write_dependencies.py")
    stages = YAML(typ="safe").load(folder / "dvc.yaml")["stages"]
    return {name: stage.get("do", stage)["deps"] for name, stage in stages.items()}


@pytest.mark.tries("make deps")
def test_a_dependency_and_a_stage_are_added(tmp_path: Path) -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    assert "\ndeps: $(READY)\n\tpython tools/write_dependencies.py\n" in makefile
    copy_files(tmp_path, "src", "tools", "dvc.yaml")
    declared = tmp_path / "dvc.yaml"
    before, text = make_deps(tmp_path), declared.read_text(encoding="utf-8")
    stages = tmp_path / "src/fashionbench/stages"
    with (stages / "prepare.py").open("a", encoding="utf-8") as file:
        file.write("\nimport fashionbench.training.losses\n")
    (stages / "count.py").write_text("from fashionbench.analysis import pairs\n", encoding="utf-8")
    stage = "stages:\n  count:\n    cmd: count\n    deps:\n      - metrics/networks\n"
    declared.write_text(text.replace("stages:\n", stage, 1), encoding="utf-8")
    after = make_deps(tmp_path)
    assert "src/fashionbench/training/losses.py" in set(after["prepare"]) - set(before["prepare"])
    assert after["count"][0] == "metrics/networks"
    code = {"stages/count.py", "analysis/pairs.py"}
    assert {f"src/fashionbench/{name}" for name in code} <= set(after["count"])
    assert {name: after[name] for name in before if name != "prepare"} == {
        name: deps for name, deps in before.items() if name != "prepare"
    }
