"""The bootstrap over seeds and images, against the variances of the analysis of variance."""

import numpy as np
import numpy.typing as npt
import pytest

from fashionbench.analysis.crossed import CrossedBootstrap, CrossedInterval, crossed_bootstrap

IMAGES = 2000


def replicates(rng: np.random.Generator, seeds: int, spread: float) -> npt.NDArray[np.bool_]:
    """Draw which images are right: images differ in difficulty, and seeds in accuracy."""
    difficulty = rng.beta(2, 0.3, size=IMAGES)
    shares = difficulty + rng.normal(0, spread, size=(seeds, 1))
    right: npt.NDArray[np.bool_] = rng.uniform(size=(seeds, IMAGES)) < shares
    return right


def interval(bootstrap: CrossedBootstrap, *networks: str) -> CrossedInterval:
    found = bootstrap.interval(*networks)
    assert found is not None
    return found


def test_the_shares_are_those_of_the_two_margins() -> None:
    rng = np.random.default_rng(0)
    right = replicates(rng, seeds=8, spread=0.01)
    found = interval(CrossedBootstrap({"one": right}), "one")
    of_seeds = right.mean(axis=1).var(ddof=1) / 8
    of_images = right.mean(axis=0).var(ddof=1) / IMAGES
    # A variance from 2000 draws has a standard error of 3%.
    assert found.images == pytest.approx(of_images / (of_seeds + of_images), abs=0.05)
    total = ((found.high - found.low) / 2 / 2) ** 2
    assert total == pytest.approx(of_seeds + of_images, rel=0.5)


def test_a_pair_shares_its_images_and_its_seeds() -> None:
    rng = np.random.default_rng(1)
    right = replicates(rng, seeds=5, spread=0.02)
    worse = right & (rng.uniform(size=IMAGES) < 0.97)
    bootstrap = CrossedBootstrap({"better": right, "worse": worse})
    alone, pair = interval(bootstrap, "better"), interval(bootstrap, "better", "worse")
    assert pair.high - pair.low < (alone.high - alone.low) / 2
    assert 0 < pair.low < right.mean() - worse.mean() < pair.high


def test_equal_seeds_leave_the_variance_to_the_images() -> None:
    rng = np.random.default_rng(2)
    right = np.repeat(rng.uniform(size=(1, IMAGES)) < 0.9, 5, axis=0)
    found = interval(CrossedBootstrap({"one": right}), "one")
    share = right.mean()
    error = np.sqrt(share * (1 - share) / IMAGES)
    assert found.images == 1
    assert found.high - share == pytest.approx(1.96 * error, rel=0.08)
    perfect = interval(CrossedBootstrap({"one": np.ones((5, 20), np.bool_)}), "one")
    assert perfect == CrossedInterval(1.0, 1.0, 0.0)


def test_the_same_results_give_the_same_interval() -> None:
    right = replicates(np.random.default_rng(3), seeds=3, spread=0.01)
    first, second = (interval(CrossedBootstrap({"one": right}), "one") for _ in range(2))
    assert first == second


def test_what_is_not_available_has_no_interval() -> None:
    right = replicates(np.random.default_rng(4), seeds=2, spread=0.01)
    assert CrossedBootstrap({"one": right}).interval("one", "two") is None
    assert CrossedBootstrap({"one": right[:1]}).interval("one") is None
    assert crossed_bootstrap({}) is None
