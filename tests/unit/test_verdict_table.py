"""Verdicts as records, and in words: for a terminal, for Markdown and for the page."""

import io
import json
from pathlib import Path

import pytest
from made_up import MadeUp, near, results, scattered
from rich.console import Console

from fashionbench.analysis.claims import CLAIMS
from fashionbench.analysis.files import CLAIMS_FILE
from fashionbench.analysis.verdict_records import (
    VerdictRecord,
    count_verdicts,
    read_verdicts,
    to_records,
    write_verdicts,
)
from fashionbench.analysis.verdict_table import (
    describe_deviation,
    format_effect,
    format_region,
    print_verdicts,
)
from fashionbench.errors import DataError


def records(seeds: int = 5, **networks: MadeUp) -> tuple[VerdictRecord, ...]:
    judged = results(networks, seeds=seeds)
    return to_records(claim.judge(judged) for claim in CLAIMS)


@pytest.fixture
def metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder of metrics below the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "metrics").mkdir()
    return tmp_path / "metrics"


@pytest.mark.usefixtures("metrics")
def test_records_survive_their_file() -> None:
    arms = {str(seeds): records(seeds) for seeds in (1, 2, 5)}
    write_verdicts(arms)
    assert read_verdicts() == arms
    found = json.loads(CLAIMS_FILE.read_text(), parse_constant=pytest.fail)
    first = found["5"][0]["conditions"][0]
    assert first["n"] == 5
    assert first["effect"] == pytest.approx(0.85)
    assert first["lowest"] == pytest.approx(0.8485)
    assert found["1"][0]["conditions"][0]["effect_low"] is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "claims.json is not as this version writes it .*Invalid JSON.*; run dvc repro"),
        ('{"logits": [{"claim": "x"}]}', r"\(logits.0.claim: .*valid integer.*\); run dvc repro"),
    ],
)
def test_a_file_of_another_version_is_refused(metrics: Path, text: str, complaint: str) -> None:
    (metrics / "claims.json").write_text(text)
    with pytest.raises(DataError, match=complaint):
        read_verdicts()


def test_effects_and_regions_are_in_the_unit_of_the_quantity() -> None:
    found = records(n2_mlp=MadeUp(accuracy=near(0.86)), n5_batch_norm=MadeUp(loss=near(1.54)))
    by_claim = {record.claim: record.conditions for record in found}
    assert format_effect(by_claim[3][0]) == "1.00 points [1.00, 1.00]"
    assert format_region(by_claim[3][0]) == "between -1 and 1 points"
    assert format_effect(by_claim[10][1]) == "1.5400 nats [1.5386, 1.5414]"
    assert format_region(by_claim[10][1]) == "between 1.53 and 1.55 nats"
    assert format_region(by_claim[9][1]) == "between 87 and 89%"
    assert format_region(by_claim[11][0]) == "above 1 point"
    assert format_region(by_claim[12][0]) == "above 0"
    assert format_region(by_claim[7][0]) == "below 1 point"
    assert format_effect(records(seeds=1)[0].conditions[0]) == "84.85%"


def test_a_claim_that_falls_is_answered_in_a_sentence() -> None:
    assert describe_deviation(records(n1_mlp=MadeUp(accuracy=near(0.87)))[0]) == ""
    assert describe_deviation(records(n1_mlp=MadeUp(accuracy=near(0.80)))[0]) == (
        "Highest validation accuracy of n1 in any epoch is 80.00% [79.86, 80.14], not between 86 "
        "and 88%; single seeds range from 79.85 to 80.15%."
    )
    open_one = describe_deviation(records(n1_mlp=MadeUp(accuracy=scattered(0.87)))[0])
    assert "and it remains open whether it is between 86 and 88%; single seeds" in open_one
    assert "range from 42.00 to 132.00%." in open_one
    assert describe_deviation(records(seeds=2)[0]) == "2 of at least 3 seeds."


def test_verdicts_are_counted() -> None:
    counts = count_verdicts(records())
    assert sum(counts.values()) == 15
    assert counts["inconclusive"] == 0
    assert count_verdicts(records(seeds=2))["inconclusive"] == 15


@pytest.mark.usefixtures("metrics")
def test_they_are_printed_for_a_terminal_and_for_markdown() -> None:
    with pytest.raises(DataError, match=r"claims.json cannot be read .*; run dvc repro"):
        print_verdicts()
    write_verdicts({"probabilities": records(), "logits": records(seeds=2)})
    printed = {}
    for markdown in (False, True):
        console = Console(file=io.StringIO(), width=80)
        print_verdicts(console=console, markdown=markdown)
        assert isinstance(console.file, io.StringIO)
        printed[markdown] = console.file.getvalue()
    assert "15. N8 (convolution)" in printed[False]
    assert "metrics/report.html" in printed[False]
    lines = printed[True].rstrip().splitlines()
    assert len(lines) == 2 + 15
    assert lines[0] == (
        "|  | Claim | Verdict (probabilities) | Verdict (logits) | Effect and 95% interval |"
    )
    assert lines[3].startswith(
        "| 2 | N1's validation accuracy then fluctuates | ✓ reproduced | ? inconclusive | rise "
    )
    assert {line.count("|") for line in lines} == {6}
