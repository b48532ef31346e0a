"""Verdicts in words: for a terminal, for Markdown and for a sentence."""

import io
import json
from pathlib import Path

import pytest
from made_up import MadeUp, near, results, scattered
from rich.console import Console

from fashionbench.analysis import verdict_table
from fashionbench.analysis.claims import CLAIMS
from fashionbench.analysis.verdict_table import (
    VerdictRecord,
    count_verdicts,
    effect,
    instead,
    region,
    to_records,
)
from fashionbench.errors import DataError


def records(seeds: int = 5, **networks: MadeUp) -> list[VerdictRecord]:
    judged = results(networks, seeds=seeds)
    return to_records(claim.judge(judged) for claim in CLAIMS)


def test_records_hold_nothing_that_json_cannot() -> None:
    for seeds in (1, 2, 5):
        text = json.dumps(records(seeds), allow_nan=False)
        assert json.loads(text) == records(seeds)
    first = records()[0]
    assert first["conditions"][0]["n"] == 5
    assert first["conditions"][0]["effect"] == pytest.approx(0.85)
    assert first["conditions"][0]["lowest"] == pytest.approx(0.8485)


def test_effects_and_regions_are_in_the_unit_of_the_quantity() -> None:
    found = records(n2_mlp=MadeUp(accuracy=near(0.86)), n5_batch_norm=MadeUp(loss=near(1.54)))
    by_claim = {record["claim"]: record["conditions"] for record in found}
    assert effect(by_claim[3][0]) == "1.00 points [1.00, 1.00]"
    assert region(by_claim[3][0]) == "between -1 and 1 points"
    assert effect(by_claim[10][1]) == "1.5400 nats [1.5386, 1.5414]"
    assert region(by_claim[10][1]) == "between 1.53 and 1.55 nats"
    assert region(by_claim[9][1]) == "between 87 and 89%"
    assert region(by_claim[11][0]) == "above 1 point"
    assert region(by_claim[12][0]) == "above 0"
    assert region(by_claim[7][0]) == "below 1 point"
    assert effect(records(seeds=1)[0]["conditions"][0]) == "84.85%"


def test_a_claim_that_falls_is_answered_in_a_sentence() -> None:
    assert instead(records(n1_mlp=MadeUp(accuracy=near(0.87)))[0]) == ""
    assert instead(records(n1_mlp=MadeUp(accuracy=near(0.80)))[0]) == (
        "Highest validation accuracy of n1 in any epoch is 80.00% [79.86, 80.14] and not between "
        "86 and 88%; single seeds from 79.85 to 80.15%."
    )
    assert "may or may not be between 86 and 88%; single seeds from 42.00 to 132.00%." in instead(
        records(n1_mlp=MadeUp(accuracy=scattered(0.87)))[0]
    )
    assert instead(records(seeds=2)[0]) == "2 of at least 3 seeds."


def test_verdicts_are_counted() -> None:
    counts = count_verdicts(records())
    assert sum(counts.values()) == 15
    assert counts["inconclusive"] == 0
    assert count_verdicts(records(seeds=2))["inconclusive"] == 15


def test_they_are_printed_for_a_terminal_and_for_markdown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"claims.json cannot be read .*; run dvc repro"):
        verdict_table.show()
    (tmp_path / "metrics").mkdir()
    arms = {"probabilities": records(), "logits": records(seeds=2)}
    verdict_table.CLAIMS_FILE.write_text(json.dumps(arms))
    printed = {}
    for markdown in (False, True):
        console = Console(file=io.StringIO(), width=80)
        verdict_table.show(console=console, markdown=markdown)
        assert isinstance(console.file, io.StringIO)
        printed[markdown] = console.file.getvalue()
    assert "15. N8 (convolution)" in printed[False]
    assert "metrics/report.html" in printed[False]
    lines = printed[True].rstrip().splitlines()
    assert len(lines) == 2 + 15
    assert lines[0] == (
        "|  | Claim | Verdict (probabilities) | Verdict (logits) | Effect and 95% interval |"
    )
    assert lines[3].startswith("| 2 | and then fluctuates | ✓ reproduced | ? inconclusive | rise ")
    assert {line.count("|") for line in lines} == {6}
