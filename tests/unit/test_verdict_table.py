"""Verdicts as records, and in words: for a terminal, for Markdown and for the page."""

import json
from dataclasses import replace
from functools import cache
from itertools import groupby
from pathlib import Path

import pytest
from made_up import CLAIMS, MadeUp, near, results
from rich.console import Console

from fashionbench.analysis.result_files import CLAIMS_FILE
from fashionbench.claims import words
from fashionbench.claims.judging import judge
from fashionbench.claims.verdicts import (
    ArmRecord,
    VerdictRecord,
    count_verdicts,
    read_verdicts,
    write_verdicts,
)
from fashionbench.claims.words import print_verdicts
from fashionbench.errors import DataError

LOW_GROUP = (0.80, 0.88, 0.881, 0.879, 0.80)
"""Accuracies of five seeds, of which two lost a class."""


@cache
def arm(seeds: int = 5) -> ArmRecord:
    """Judge all claims on results in which N1 has two groups of seeds and N6 learned nothing."""
    made_up = {
        "n1_mlp": MadeUp(accuracy=LOW_GROUP, lost=(0, 4)),
        "n2_mlp": MadeUp(accuracy=near(0.87)),
        "n5_batch_norm": MadeUp(loss=near(1.54), accuracy=near(0.90)),
        "n6_l1": MadeUp(accuracy=(0.1,) * 5, near_zero=near(0.9), lost=range(5)),
    }
    return judge(CLAIMS, results(made_up, seeds=seeds))


def claim(number: str, seeds: int = 5) -> VerdictRecord:
    (found,) = [record for record in arm(seeds).claims if record.claim == number]
    return found


@pytest.fixture
def metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder of metrics below the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "metrics").mkdir()
    return tmp_path / "metrics"


@pytest.mark.usefixtures("metrics")
def test_records_survive_their_file() -> None:
    arms = {str(seeds): arm(seeds) for seeds in (1, 2, 5)}
    write_verdicts(arms)
    assert read_verdicts() == arms
    found = json.loads(CLAIMS_FILE.read_text(), parse_constant=pytest.fail)
    first = found["5"]["claims"][0]["conditions"][0]
    assert first["values"] == list(LOW_GROUP)
    assert first["mean"] == pytest.approx(0.88)
    assert found["1"]["claims"][0]["conditions"][0]["interval"] is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "claims.json is not as this version writes it .*Invalid JSON.*; run dvc repro"),
        ('{"logits": {"seeds": "x"}}', r"\(logits.seeds: .*valid integer.*\); run dvc repro"),
        ('{"logits": [{"claim": 1}]}', r"\(logits: .*\); run dvc repro"),
    ],
)
def test_a_file_of_another_version_is_refused(metrics: Path, text: str, complaint: str) -> None:
    (metrics / "claims.json").write_text(text)
    with pytest.raises(DataError, match=complaint):
        read_verdicts()


def test_replicates_that_lost_a_class_are_counted_and_left_out_once() -> None:
    assert arm().lost_class == {"n1_mlp": 2, "n6_l1": 5}
    assert arm().collapsed == ("n6_l1",)
    assert words.describe_lost(arm()) == "2 of 5 of n1_mlp, 5 of 5 of n6_l1"
    (highest,) = claim("1").conditions
    assert highest.lost == 2
    assert words.format_effect(highest) == "88.00% [87.75, 88.25]"
    assert words.describe_runs(highest) == "among the 3 runs that lost no class"
    assert words.describe_others(highest) == "84.80% [79.36, 90.24] over all runs"
    # None would be left of N6, and none is missing of N3.
    for number in ("11", "6a"):
        (condition,) = claim(number).conditions
        assert (condition.lost, words.describe_runs(condition), condition.others) == (0, "", ())


def test_effects_and_regions_are_in_the_unit_of_the_quantity() -> None:
    assert words.format_effect(claim("6a").conditions[0]) == "2.00 points [2.00, 2.00]"
    assert words.format_effect(claim("10b").conditions[0]) == "1.5400 nats [1.5386, 1.5414]"
    assert words.format_region(claim("10b").conditions[0]) == "between 1.53 and 1.55 nats"
    assert words.format_region(claim("9b").conditions[0]) == "between 87 and 89%"
    assert words.format_region(claim("2b").conditions[0]) == "between -1 and 1 points"
    assert words.format_region(claim("11").conditions[0]) == "above 1 point"
    assert words.format_region(claim("12").conditions[0]) == "above 0"
    assert words.format_region(claim("7a").conditions[0]) == "below 1 point"
    assert words.format_effect(claim("1", seeds=1).conditions[0]) == "80.00%"


def test_the_weakest_of_several_comparisons_is_named() -> None:
    lead, loss = claim("9a").conditions[0], claim("10b").conditions[0]
    assert words.name_comparison(lead) == "n1_mlp, the weakest of 6"
    assert words.name_comparison(loss) == ""


def test_the_three_answers_are_in_words() -> None:
    assert words.describe_holds(claim("11")) == "5 of 5 seeds (48 to 100%)"
    assert words.describe_holds(claim("1")) == "1 of 5 seeds (1 to 72%)"
    assert words.describe_number(claim("10b").conditions[0]) == "1.54 nats is in [1.5366, 1.5434]"
    number = claim("9b").conditions[0]
    assert words.describe_number(number) == "88% is not in [88.77, 91.23]"
    assert words.describe_number(claim("11").conditions[0]) == ""
    assert words.describe_flips(claim("11").conditions[0]).startswith("inconclusive above 7")
    assert words.describe_flips(claim("7a").conditions[0]) == "contradicted below 0 points"


def test_what_would_decide_an_open_claim_is_said() -> None:
    # N1's groups leave claim 1 open: a run of 87% fits in between.
    assert claim("1").verdict == "inconclusive"
    assert words.describe_needed(claim("1").needed) == (
        "leans to contradicted, but the report's number lies in the prediction interval"
    )
    assert words.describe_needed(None) == ""
    assert claim("11").needed is None


def test_single_runs_mislead_where_they_differ_from_the_verdict() -> None:
    decided = claim("12")
    undecided = decided.model_copy(update={"claim": "3", "verdict": "inconclusive", "holds": 3})
    assert undecided.misled_seeds is None
    assert decided.misled_seeds == 0
    misleading = claim("11").model_copy(update={"holds": 4})
    assert misleading.misled_seeds == pytest.approx(0.2)
    against = misleading.model_copy(update={"verdict": "contradicted", "holds": 1})
    assert against.misled_seeds == pytest.approx(0.2)
    assert words.describe_misled([decided, misleading, undecided]) == (
        "5 seeds are too few to tell how often one run misleads. On claim 3 one seed says what "
        "another denies."
    )
    many = [
        one.model_copy(update={"n": 40, "holds": 8 * one.holds}) for one in (decided, misleading)
    ]
    assert words.describe_misled(many) == (
        "Of the 2 claims that 20 seeds or more decide, one run says otherwise in 10.0% on average, "
        "most often in 20% on claim 11."
    )
    assert "wrong" not in words.describe_misled(arm(2).claims)


def test_verdicts_are_counted() -> None:
    counts = count_verdicts(arm().claims)
    assert sum(counts.values()) == len(CLAIMS)
    assert counts["vacuous"] == 3
    assert count_verdicts(arm(2).claims)["inconclusive"] == len(CLAIMS)


@pytest.mark.usefixtures("metrics")
def test_they_are_printed_for_a_terminal_and_for_markdown() -> None:
    with pytest.raises(DataError, match=r"claims.json cannot be read .*; run dvc repro"):
        read_verdicts()
    on_logits = judge(CLAIMS, replace(results(), loss_input="logits"))
    arms = {"probabilities": arm(), "logits": on_logits}
    console = Console(width=80, force_terminal=False)
    with console.capture() as plain:
        print_verdicts(arms, console=console)
    assert "15a. N8 (convolution)" in plain.get()
    with console.capture() as markdown:
        print_verdicts(arms, console=console, markdown=True)
    lines = groupby(markdown.get().splitlines(), lambda line: line.startswith("|"))
    summary, own, other = (list(table) for is_table, table in lines if is_table)
    assert summary[0] == (
        "|  | Claim | With probabilities | With logits | Other on the test images |"
    )
    assert len(summary) == 2 + len(CLAIMS)
    place = 2 + [claim.number for claim in CLAIMS].index("10b")
    assert summary[place].endswith("| ✓ reproduced | - not applicable |  |")
    # One effect per arm, each in the table of its arm.
    assert "1.5400 nats [1.5386, 1.5414]" in own[place]
    assert "1.6000 nats [1.5986, 1.6014]" in other[place]
    for table in (own, other):
        assert len(table) == 2 + len(CLAIMS)
        assert {line.count("|") for line in table} == {5}
