"""Simulations: errors on networks that are tied, and what intervals hold.

Trials are few; ``make simulations`` runs many, and docs/statistics.md has their tables.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import simulate_statistics as simulations
from repositories import PROJECT
from scipy.stats import binom, binomtest

from fashionbench.analysis.claims import CLAIMS
from fashionbench.analysis.inference import ALPHA

RARE = 1e-4
"""The probability with which a test may fail by chance."""


@pytest.mark.parametrize(("n", "trials"), [(5, 200), (10, 200), (40, 100)])
def test_a_claim_on_its_bound_is_decided_in_at_most_five_per_cent(n: int, trials: int) -> None:
    results = simulations.tied_networks(np.random.default_rng(n), n * trials)
    most = binom.ppf(1 - RARE, trials, ALPHA)
    for claim in CLAIMS:
        decided = simulations.share_decided(claim.number, results, n) * trials
        assert decided <= most, (claim.number, decided)


def test_the_lead_over_the_best_rival_would_not_do() -> None:
    assert simulations.share_of_best_rule(5, 200) > 0.3
    assert simulations.share_of_best_rule(40, 200) > 0.99


@pytest.mark.parametrize(
    ("number", "shift", "decision"),
    [
        (9, 0.01, "reproduced"),
        (9, -0.01, "contradicted"),
        (10, 0.01, "reproduced"),
        (10, -0.01, "contradicted"),
        (15, 0.01, "reproduced"),
        (15, -0.01, "contradicted"),
        (7, -0.01, "reproduced"),
        (7, 0.01, "contradicted"),
    ],
)
def test_what_is_not_tied_is_found(number: int, shift: float, decision: str) -> None:
    """The test above would pass if nothing was ever decided."""
    results = simulations.tied_networks(np.random.default_rng(number), 40 * 20)
    for one in simulations.experiments(number, results, 40):
        moved = np.where(np.isnan(one.reported), one.values + shift, one.values)
        assert replace(one, values=moved).decide(ALPHA) == decision


@pytest.mark.parametrize(
    ("measure", "trials"),
    [
        (simulations.coverage_of_mean, 400),
        (simulations.coverage_of_prediction, 400),
        (simulations.coverage_of_crossed, 40),
    ],
)
def test_intervals_of_normal_values_hold_what_they_are_to_hold(
    measure: Callable[[simulations.Draw, int, int], float], trials: int
) -> None:
    hits = round(measure(simulations.normal, 5, trials) * trials)
    assert binomtest(hits, trials, 0.95).pvalue > RARE


def test_exact_intervals_hold_at_least_that() -> None:
    for draw in simulations.DATA.values():
        hits = round(simulations.coverage_of_share(draw, 10, 400) * 400)
        assert binomtest(hits, 400, 0.95, alternative="less").pvalue > RARE


def test_the_mean_of_two_groups_has_an_interval_that_is_too_short() -> None:
    """That is why single seeds take part in the verdict, and why the document says so."""
    assert simulations.coverage_of_mean(simulations.rare_group, 5, 400) < 0.75


def test_the_document_has_tables_of_all_simulations() -> None:
    text = (PROJECT / "docs/statistics.md").read_text(encoding="utf-8")
    blocks = {name: text for _, name, _ in simulations.BLOCK.findall(text)}
    assert blocks.keys() == simulations.BLOCKS.keys()
    for claim in CLAIMS:
        (row,) = re.findall(rf"^\| {claim.number} \| (.*) \|$", text, flags=re.M)
        printed = [float(cell) for cell in row.split("|")]
        most = binom.ppf(1 - RARE, simulations.TRIALS, ALPHA) / simulations.TRIALS
        assert all(share <= 100 * most for share in printed)


@pytest.mark.tries("make simulations")
def test_make_simulations_renews_the_tables_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    assert "\nsimulations: $(READY)\n\tpython tools/simulate_statistics.py\n" in makefile
    document = tmp_path / "statistics.md"
    text = (PROJECT / "docs/statistics.md").read_text(encoding="utf-8")
    document.write_text(simulations.BLOCK.sub(r"\1old\n\3", text), encoding="utf-8")
    few = {name: (measure, 4) for name, (measure, _) in simulations.INTERVALS.items()}
    monkeypatch.setattr(simulations, "DOCUMENT", document)
    monkeypatch.setattr(simulations, "INTERVALS", few)
    monkeypatch.setitem(simulations.BLOCKS, "errors", partial(simulations.errors, (5,), 20))
    simulations.main()
    renewed = document.read_text(encoding="utf-8")
    assert "old" not in {line.strip() for line in renewed.splitlines()}
    assert renewed.count("| normal | ") == len(simulations.SEEDS)
    assert "| 15 | " in renewed
    around = simulations.BLOCK.sub("", text)
    assert simulations.BLOCK.sub("", renewed) == around
