"""The language of claims: what it accepts, and that mistakes are named with their line."""

import subprocess
from pathlib import Path

import pytest
from made_up import MadeUp, near, results
from repositories import PROJECT
from ruamel.yaml import YAML

from fashionbench.claims.language import CLAIMS_FILE, read_declared, registration
from fashionbench.claims.quantities import load_claims
from fashionbench.errors import ConfigError

FILE = """\
claims:
  - number: 7
    words: So it is
    about: [n6_l1]
    conditions:
      - {value: accuracy, of: n1_mlp, minus: [n1_mlp, n2_mlp, n3_mlp], above: 0}
      - value: rise
        over: 10
        of: n1_mlp
        between: [-0.01, 0.01]
    why: >-
      Because
      it is.
  - number: 3
    words: And so
    conditions: [{value: gap, of: [n1_mlp, n2_mlp], some: true, below: 0.1}]
    why: Because.
"""


def write(folder: Path, text: str = FILE) -> Path:
    path = folder / "claims.yaml"
    path.write_text(text)
    return path


def test_claims_are_read_in_any_order_of_numbers(tmp_path: Path) -> None:
    first, second = load_claims(write(tmp_path))
    assert (first.number, first.about, second.number) == ("7", ("n6_l1",), "3")
    assert first.why == "Because it is."
    lead, rise = first.conditions
    assert (lead.unit, lead.low, lead.margin) == ("points", 0, 0)
    assert lead.quantity == "accuracy of n1_mlp minus n1_mlp, n2_mlp and n3_mlp"
    assert (rise.unit, rise.low, rise.high) == ("points", -0.01, 0.01)
    found = lead.compare(results({"n1_mlp": MadeUp(accuracy=near(0.9))}))
    # A network is not compared with itself.
    assert [one.name for one in found] == ["n2_mlp", "n3_mlp"]
    assert found[0].values.tolist() == pytest.approx([0.05] * 5)
    (gaps,) = second.conditions
    assert gaps.some
    assert [one.networks for one in gaps.compare(results())] == [("n1_mlp",), ("n2_mlp",)]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("number: 3", "number: 7", "line 14: another claim has the number 7"),
        ("    words: And so\n", "", r"line 14: claims.1.words is missing"),
        ("words: And", "wards: And", "line 15: claims.1.wards is not a parameter; did you mean w"),
        ("value: accuracy", "value: acuracy", "line 6: .*; did you mean accuracy?"),
        ("above: 0}", "above: 0, below: 1}", "line 6: .* exactly one of above, below and between"),
        ("[-0.01, 0.01]", "[0.01, -0.01]", "line 7: .*the first bound must be the lower one"),
        ("        over: 10\n", "", "line 7: .*value: rise needs over"),
        ("value: gap,", "value: gap, from: 3,", "line 16: .*value: gap has no from"),
        ("of: [n1_mlp, n2_mlp]", "of: []", "line 16: .*needs a network, a list of networks"),
        ("of: [n1_mlp, n2_mlp]", "of: {seeds: 3}", "line 16: seeds: the report's claims are about"),
        ("minus: [n1_mlp, n2_mlp, n3_mlp]", "minus: n1_mlp", "line 6: compares a network with its"),
        (
            "number: 3",
            "number: three",
            "line 14: claims.1.number = 'three': must be a number, such as 3",
        ),
        ("claims:\n", "claims: 3\nothers:\n", "claims.yaml, line 2: others is not a parameter"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in FILE
    with pytest.raises(ConfigError, match=f"claims.yaml, {says}" if "line" in says[:4] else says):
        load_claims(write(tmp_path, FILE.replace(old, new, 1)))


@pytest.mark.parametrize("text", ["", "claims: []", "- 1", "claims: {a: 1}", "claims: [1]", "a: ["])
def test_what_is_no_file_of_claims_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_declared(write(tmp_path, text))
    assert len(str(refused.value).splitlines()) == 1
    with pytest.raises(ConfigError, match="cannot be read"):
        read_declared(tmp_path / "absent.yaml")


@pytest.mark.parametrize("path", [PROJECT / CLAIMS_FILE, *PROJECT.glob("studies/*/study.yaml")])
def test_registered_claims_were_declared_in_the_commit_that_is_named(path: Path) -> None:
    commit = YAML(typ="safe").load(path.read_text()).get("registered", "")
    name = path.relative_to(PROJECT).as_posix()
    git = ("git", "-C", str(PROJECT))
    found = subprocess.run([*git, "show", f"{commit}:{name}"], capture_output=True, text=True)
    if not commit or found.returncode:
        pytest.skip("nothing is registered, or the history is not here")
    then, now = (YAML(typ="safe").load(text)["claims"] for text in (found.stdout, path.read_text()))
    # Studies registered theirs in an earlier form of the language.
    if path.name == CLAIMS_FILE.name:
        assert [one for one in now if one not in then] == []
    assert {one["number"] for one in now} <= {one["number"] for one in then}


def test_claims_are_tested_by_seeds_that_their_authors_had_not_seen(tmp_path: Path) -> None:
    assert registration([0, 1], write(tmp_path, FILE)) == ""
    path = write(tmp_path, f"registered: 0123abc\nseen_seeds: 40\n{FILE}")
    assert "commit 0123abc, written after runs with seeds 0 to 39" in registration([40, 44], path)
    assert "40 to 44, had not been run" in registration([40, 44], path)
    assert "test nothing" in registration([39, 44], path)
