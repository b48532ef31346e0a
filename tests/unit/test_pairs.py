"""All pairs of networks, and the interval over seeds and images, on made-up runs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from made_up import MadeUp, near, results
from scipy.stats import t, ttest_ind, ttest_rel

from fashionbench.analysis.pairs import (
    COLUMNS,
    CrossedInterval,
    compare_pairs,
    crossed_interval,
    of_scores,
    write_pairs,
)
from fashionbench.analysis.result_files import PAIRS_FILE
from fashionbench.analysis.results import Results

GOOD = (0.90, 0.88, 0.91, 0.89, 0.92)
FAIR = (0.86, 0.895, 0.87, 0.85, 0.88)


def of(found: pd.DataFrame, first: str, second: str, split: str = "test") -> "pd.Series[float]":
    (row,) = found[
        (found["first"] == first) & (found["second"] == second) & (found["split"] == split)
    ].to_dict("records")
    return pd.Series(row)


@pytest.fixture(scope="module")
def made_up() -> Results:
    """Return results of eight networks with predictions of two."""
    networks = {"n1_mlp": MadeUp(accuracy=GOOD), "n2_mlp": MadeUp(accuracy=FAIR)}
    rng = np.random.default_rng(0)
    right = {
        name: dict(enumerate(rng.uniform(size=(5, 400)) < np.array(of_network.accuracy)[:, None]))
        for name, of_network in networks.items()
    }
    return replace(results(networks), correct={"test": right})


@pytest.fixture(scope="module")
def found(made_up: Results) -> pd.DataFrame:
    """Compare all of their pairs."""
    return compare_pairs(made_up)


def test_every_pair_has_a_row_on_both_splits(found: pd.DataFrame) -> None:
    assert list(found.columns) == COLUMNS
    assert len(found) == 2 * 28
    assert not found.duplicated(["split", "first", "second"]).any()


def test_differences_are_tested_in_pairs_of_seeds(found: pd.DataFrame) -> None:
    row = of(found, "n1_mlp", "n2_mlp")
    assert row["difference"] == pytest.approx(np.mean(GOOD) - np.mean(FAIR))
    assert row["p"] == pytest.approx(ttest_rel(GOOD, FAIR).pvalue, rel=1e-5)
    assert row["p_adjusted"] > row["p"]
    assert row["low"] < row["difference"] < row["high"]


def test_unequal_seeds_are_paired_where_both_have_them_and_compared_as_a_whole_beside_it(
    made_up: Results,
) -> None:
    scores = dict(made_up.scores)
    scores["n2_mlp"] = scores["n2_mlp"][scores["n2_mlp"]["seed"].isin([1, 3, 4])]
    correct = {name: dict(by_seed) for name, by_seed in made_up.correct["test"].items()}
    del correct["n2_mlp"][0], correct["n2_mlp"][2]
    found = compare_pairs(replace(made_up, scores=scores, correct={"test": correct}))
    row = of(found, "n1_mlp", "n2_mlp")
    one, other = np.array(GOOD), np.array(FAIR)[[1, 3, 4]]
    assert row["seeds"] == 3
    assert row["p"] == pytest.approx(ttest_rel(one[[1, 3, 4]], other).pvalue, rel=1e-5)
    unpaired = ttest_ind(one, other, equal_var=False)
    assert row["welch"] == pytest.approx(one.mean() - other.mean(), rel=1e-5)
    assert row["welch_p"] == pytest.approx(unpaired.pvalue, rel=1e-5)
    assert row["welch_low"] == pytest.approx(unpaired.confidence_interval().low, rel=1e-5)
    assert row["crossed_low"] < row["difference"] < row["crossed_high"]
    assert of(found, "n1_mlp", "n3_mlp")[["welch", "welch_p"]].isna().all()


def test_networks_without_a_common_seed_are_compared_as_independent_samples(
    made_up: Results,
) -> None:
    scores = dict(made_up.scores)
    scores["n2_mlp"] = scores["n2_mlp"].assign(seed=scores["n2_mlp"]["seed"] + 5)
    row = of(compare_pairs(replace(made_up, scores=scores, correct={})), "n1_mlp", "n2_mlp")
    assert row["seeds"] == 0
    assert row["difference"] == row["welch"] == pytest.approx(np.mean(GOOD) - np.mean(FAIR))
    assert row["p"] == pytest.approx(ttest_ind(GOOD, FAIR, equal_var=False).pvalue, rel=1e-5)


def test_superiority_counts_pairs_of_runs(found: pd.DataFrame) -> None:
    beaten = [(one > other) + (one == other) / 2 for one in GOOD for other in FAIR]
    assert of(found, "n1_mlp", "n2_mlp")["superiority"] == pytest.approx(np.mean(beaten))
    # Equal networks: every run is met by itself once, by two better and two worse ones.
    assert of(found, "n3_mlp", "n4_dropout")["superiority"] == 0.5


def test_networks_that_are_equal_seed_by_seed_do_not_differ(found: pd.DataFrame) -> None:
    row = of(found, "n3_mlp", "n4_dropout")
    assert row["difference"] == 0
    assert row["p"] == row["p_adjusted"] == 1


def test_images_count_where_predictions_are_available(found: pd.DataFrame) -> None:
    row = of(found, "n1_mlp", "n2_mlp")
    assert 0 < row["images"] < 1
    assert row["crossed_low"] < row["difference"] < row["crossed_high"]
    assert 0 <= row["mcnemar_against"] < row["mcnemar_for"] <= 1
    for missing in (of(found, "n1_mlp", "n3_mlp"), of(found, "n1_mlp", "n2_mlp", "val")):
        assert missing[["crossed_low", "images", "mcnemar_for", "mcnemar_against"]].isna().all()
        assert missing[["difference", "p"]].notna().all()


def test_two_seeds_are_not_tested() -> None:
    few = compare_pairs(results(seeds=2))
    assert few[["p", "p_adjusted"]].isna().all(axis=None)
    assert few["difference"].notna().all()


def test_a_single_network_has_no_pairs() -> None:
    alone = replace(results(), scores={"n1_mlp": results().scores["n1_mlp"]})
    assert list(compare_pairs(alone).columns) == COLUMNS
    assert compare_pairs(alone).empty


def test_small_p_values_survive_the_file(
    found: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "metrics").mkdir()
    distant = found.assign(p=1.23456e-12)
    write_pairs(distant)
    read = pd.read_csv(PAIRS_FILE)
    assert list(read.columns) == COLUMNS
    assert set(read["p"]) == {1.23456e-12}
    pd.testing.assert_series_equal(read["difference"], found["difference"])


def test_near_values_are_tested_too() -> None:
    shifted = results({"n1_mlp": MadeUp(accuracy=near(0.9))})
    row = of(compare_pairs(shifted), "n1_mlp", "n2_mlp")
    # A constant difference leaves no doubt.
    assert row["p"] == 0


IMAGES = 2000

Scores = npt.NDArray[np.int64]


def replicates(rng: np.random.Generator, seeds: int, spread: float) -> Scores:
    """Draw which images are right: images differ in difficulty, and seeds in accuracy."""
    difficulty = rng.beta(2, 0.3, size=IMAGES)
    shares = difficulty + rng.normal(0, spread, size=(seeds, 1))
    return (rng.uniform(size=(seeds, IMAGES)) < shares).astype(np.int64)


def test_the_variance_is_that_of_the_two_way_analysis_of_variance() -> None:
    scores = replicates(np.random.default_rng(0), seeds=8, spread=0.01)
    found = of_scores(scores)
    rows, columns = scores.mean(axis=1), scores.mean(axis=0)
    residuals = scores - rows[:, None] - columns + scores.mean()
    interaction = (residuals**2).sum() / (7 * (IMAGES - 1))
    of_seeds = rows.var(ddof=1) / 8
    of_images = columns.var(ddof=1) / IMAGES - interaction / scores.size
    assert found.images == pytest.approx(of_images / (of_seeds + of_images))
    half = (found.high - found.low) / 2
    # The degrees of freedom lie between those of seeds and those of images.
    error = np.sqrt(of_seeds + of_images)
    assert t.ppf(0.975, IMAGES) * error < half < t.ppf(0.975, 7) * error


def test_it_is_never_shorter_than_the_one_over_seeds() -> None:
    rng = np.random.default_rng(4)
    for seeds in (2, 3, 5, 20) * 20:
        scores = replicates(rng, seeds, spread=rng.choice([0.0, 0.002, 0.05]))
        rows, found = scores.mean(axis=1), of_scores(scores)
        half = t.ppf(0.975, seeds - 1) * rows.std(ddof=1) / np.sqrt(seeds)
        assert (found.high - found.low) / 2 >= half * (1 - 1e-9)
        assert 0 <= found.images <= 1


def test_a_pair_shares_its_images_and_the_seeds_that_both_have() -> None:
    rng = np.random.default_rng(1)
    right = replicates(rng, seeds=5, spread=0.02).astype(bool)
    worse = right & (rng.uniform(size=IMAGES) < 0.97)
    correct = {"better": dict(enumerate(right)), "worse": {4: worse[4], 1: worse[1], 9: worse[0]}}
    alone, pair = crossed_interval(correct, "better"), crossed_interval(correct, "better", "worse")
    assert alone == of_scores(right.astype(np.int64))
    assert pair == of_scores(right[[1, 4]].astype(np.int64) - worse[[1, 4]])


def test_equal_seeds_leave_the_variance_to_the_images() -> None:
    rng = np.random.default_rng(2)
    right = np.repeat((rng.uniform(size=(1, IMAGES)) < 0.9).astype(np.int64), 5, axis=0)
    found, share = of_scores(right), right.mean()
    error = np.sqrt(share * (1 - share) / (IMAGES - 1))
    assert found.images == pytest.approx(1)
    assert found.high - share == pytest.approx(1.96 * error, rel=0.01)
    assert of_scores(np.ones((5, 20), np.int64)) == CrossedInterval(1.0, 1.0, 0.0)


def test_what_is_not_available_has_no_interval() -> None:
    right = replicates(np.random.default_rng(4), seeds=2, spread=0.01).astype(bool)
    correct = {"one": dict(enumerate(right)), "apart": {7: right[0], 8: right[1]}}
    assert crossed_interval(correct, "one", "two") is None
    assert crossed_interval(correct, "one", "apart") is None
    assert crossed_interval({"one": {0: right[0]}}, "one") is None
    assert crossed_interval({}, "one") is None
