"""Simulations: errors on networks that are tied, and what intervals hold.

Trials are few; ``make simulations`` runs many, and docs/statistics.md has their tables.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import simulate_statistics as simulations
from made_up import CLAIMS
from repositories import PROJECT
from scipy.stats import binom, binomtest

from fashionbench.analysis.results import Results
from fashionbench.analysis.statistics import ALPHA, Array
from fashionbench.claims.rule import examine
from fashionbench.claims.sensitivity import FEWER
from fashionbench.params import LossInput

RARE = 1e-4
"""The probability with which a test may fail by chance."""


NORMAL = simulations.populations(
    simulations.tied_networks(np.random.default_rng(0), simulations.NORMAL_RUNS)
)


@pytest.mark.parametrize("n", [5, 40])
def test_a_claim_on_its_bound_is_decided_in_at_most_five_per_cent(n: int) -> None:
    trials = 2000
    found = simulations.errors_of(NORMAL, n, trials, np.random.default_rng(n))
    assert found.keys() == {*(claim.number for claim in CLAIMS), simulations.FAMILY}
    # Drawn from 4000 runs of which the mean is known: a little more than chance.
    most = binom.ppf(1 - RARE, trials, 1.1 * ALPHA) / trials
    assert {number: share for number, share in found.items() if share > most} == {}


@pytest.mark.parametrize("loss_input", simulations.LOSSES)
def test_many_samples_at_a_time_are_judged_as_one_by_one(loss_input: LossInput) -> None:
    """Drawn runs are given seeds of their own, and judged as the results of an arm are."""
    results = with_fewer(simulations.read_seeds(loss_input), "n5_batch_norm")
    tested = simulations.populations(results)
    assert {"3", "9a", "12"} <= tested.keys()
    drawn = np.random.default_rng(1).uniform(size=(5, 8))
    decisions = set()
    for number in ("3", "6a", "9a", "10a", "27c", "28"):
        many = tested[number].sample(drawn)
        for place, draws in enumerate(drawn):
            single = examine(tested[number].examined.claim, redrawn(results, draws)).evidence
            assert single is not None
            assert many.decisions(ALPHA)[place] == single.decide(ALPHA), number
            assert many.p()[place] == pytest.approx(single.p())
            decisions.add(single.decide(ALPHA))
    assert len(decisions) >= 3


def with_fewer(results: Results, name: str) -> Results:
    """Leave a network the first of its runs."""
    table = results.scores[name]
    return replace(results, scores={**results.scores, name: table[table["seed"] < FEWER]})


def redrawn(results: Results, draws: Array) -> Results:
    """Return the scores of the runs that are drawn, of networks with fewer runs of fewer."""
    most = max(table["seed"].nunique() for table in results.scores.values())
    scores = {}
    for name, table in results.scores.items():
        seeds = sorted(table["seed"].unique())
        used = draws if len(seeds) == most else draws[:FEWER]
        scores[name] = pd.concat(
            table[table["seed"] == seeds[int(one * len(seeds))]].assign(seed=seed)
            for seed, one in enumerate(used)
        )
    return replace(results, scores=scores)


def test_the_lead_over_the_best_rival_would_not_do() -> None:
    assert simulations.share_of_best_rule(5, 200) > 0.3
    assert simulations.share_of_best_rule(40, 200) > 0.99


@pytest.mark.parametrize("number", ["9a", "10a", "15a", "7a", "3"])
def test_what_is_not_tied_is_found(number: str) -> None:
    """The test above would pass if nothing was ever decided."""
    one, drawn = NORMAL[number], np.random.default_rng(3).uniform(size=(20, 40))
    for shift in (0.01, -0.01):
        by = simulations.on_its_bound(one.evidence) + shift
        found = simulations.shifted(one.sample(drawn), by).decisions(ALPHA)
        assert np.mean(found != "inconclusive") >= 0.9


@pytest.mark.parametrize(
    ("measure", "trials"),
    [
        (simulations.coverage_of_mean, 400),
        (simulations.coverage_of_prediction, 400),
        (simulations.coverage_of_crossed, 100),
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
    rare_group = simulations.DATA["two groups, 4 : 1"]
    assert simulations.coverage_of_mean(rare_group, 5, 400) < 0.75


def test_the_document_has_tables_of_all_simulations() -> None:
    text = (PROJECT / "docs/statistics.md").read_text(encoding="utf-8")
    blocks = {name: text for _, name, _ in simulations.BLOCK.findall(text)}
    assert blocks.keys() == simulations.BLOCKS.keys()
    errors = text.partition("<!-- begin errors")[2]
    rows = dict(re.findall(rf"^\| (\d+\w?|{simulations.FAMILY}) \| (.*) \|$", errors, flags=re.M))
    assert simulations.FAMILY in rows
    for row in rows.values():
        printed = [float(cell) for cell in row.split("|")[: len(simulations.SEEDS)]]
        # Those of normal values.
        assert all(share <= 6 for share in printed)


@pytest.mark.tries("make simulations")
def test_make_simulations_renews_the_tables_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    assert "\nsimulations: $(READY)\n\tpython tools/simulate_statistics.py\n" in makefile
    document = tmp_path / "statistics.md"
    text = (PROJECT / "docs/statistics.md").read_text(encoding="utf-8")
    document.write_text(simulations.BLOCK.sub(r"\1old\n\3", text), encoding="utf-8")
    monkeypatch.setattr(simulations, "DOCUMENT", document)
    monkeypatch.setattr(simulations, "COVERAGE_TRIALS", 4)
    monkeypatch.setitem(simulations.BLOCKS, "errors", partial(simulations.errors, 20))
    without_curves = Results(curves={}, scores={}, weights={})
    monkeypatch.setattr(simulations, "read_seeds", lambda _: without_curves)
    simulations.main()
    assert document.read_text(encoding="utf-8").splitlines().count("old") == 1
    assert "errors stays as it is: studies/seeds has no curves here" in capsys.readouterr().err
    tied = simulations.tied_networks(np.random.default_rng(4), 40)
    monkeypatch.setattr(simulations, "read_seeds", lambda _: tied)
    simulations.main()
    renewed = document.read_text(encoding="utf-8")
    assert "old" not in renewed.splitlines()
    assert renewed.count("| normal | ") == len(simulations.SEEDS)
    assert "| 15a | " in renewed
    around = simulations.BLOCK.sub("", text)
    assert simulations.BLOCK.sub("", renewed) == around
