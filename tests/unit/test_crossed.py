"""The interval over seeds and images, against a simulation of both."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import t

from fashionbench.analysis.pairs import CrossedInterval, crossed_interval, of_scores

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


@pytest.mark.parametrize("seeds", [5, 20])
def test_it_covers_the_accuracy_on_all_images_and_all_seeds(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    trials, hits = 400, 0
    for _ in range(trials):
        accuracies = rng.normal(0.88, 0.005, (seeds, 1))
        difficulty, shift = rng.uniform(size=IMAGES), rng.uniform(-0.02, 0.02, (seeds, IMAGES))
        # Modulo 1 the sum is uniform again, so that each seed has its accuracy on average.
        right = ((difficulty + shift) % 1 < accuracies).astype(np.int64)
        found = of_scores(right)
        hits += found.low <= 0.88 <= found.high
    assert 0.92 <= hits / trials <= 0.98


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
