"""Simulate the statistics of docs/statistics.md, and renew its tables: ``make simulations``.

How often intervals hold what they are to hold, and how often claims are decided on networks that
are exactly at a claim's bound, such as networks that are tied, so that any decision is an error.
"""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from fashionbench.analysis.claims import CLAIMS
from fashionbench.analysis.crossed import CrossedBootstrap
from fashionbench.analysis.evidence import Evidence
from fashionbench.analysis.inference import ALPHA, exact_interval
from fashionbench.analysis.quantities import PERCEPTRONS
from fashionbench.analysis.results import Results
from fashionbench.analysis.statistics import estimate, prediction_interval

DOCUMENT = Path(__file__).resolve().parents[1] / "docs/statistics.md"
BLOCK = re.compile(r"(<!-- begin (\w+): make simulations -->\n).*?(<!-- end \2 -->)", flags=re.S)
SEEDS = (5, 10, 40)
TRIALS = 1000
CROSSED_TRIALS = 200
CROSSED_IMAGES = 500
EPOCHS = 12
NETWORKS = (*PERCEPTRONS, "n8_conv")
SPREAD = 0.005
"""Standard deviation between the seeds of a simulated network."""

Array = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]


def normal(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
    """Draw accuracies around 88%."""
    return rng.normal(0.88, SPREAD, size)


def two_groups(rng: np.random.Generator, size: tuple[int, ...], rate: float = 0.4) -> Array:
    """Draw accuracies of which a share ``rate`` is 7 points lower, like those that lose a class."""
    return rng.normal(0.882, SPREAD, size) - 0.07 * (rng.uniform(size=size) < rate)


def rare_group(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
    """Draw accuracies of which a fifth is 7 points lower."""
    return two_groups(rng, size, rate=0.2)


def saturated(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
    """Draw shares near 1, of which about a third are exactly 1."""
    return np.minimum(1.0, rng.normal(0.998, SPREAD, size))


DATA: dict[str, Draw] = {
    "normal": normal,
    "two groups, 3 : 2": two_groups,
    "two groups, 4 : 1": rare_group,
    "saturated": saturated,
}


def truth(draw: Draw) -> tuple[float, float]:
    """Return the mean of a distribution, and the probability to lie above its 0.4 quantile."""
    values = draw(np.random.default_rng(0), (1_000_000,))
    return float(values.mean()), float((values > threshold(draw)).mean())


def threshold(draw: Draw) -> float:
    """Return a bound that some values exceed and some do not."""
    return float(np.quantile(draw(np.random.default_rng(1), (100_000,)), 0.4))


def coverage_of_mean(draw: Draw, n: int, trials: int) -> float:
    """Return how often Student's interval holds the mean."""
    mean, _ = truth(draw)
    samples = draw(np.random.default_rng(2), (trials, n))
    found = [estimate(sample.tolist()) for sample in samples]
    return sum(one.low <= mean <= one.high for one in found) / trials


def coverage_of_prediction(draw: Draw, n: int, trials: int) -> float:
    """Return how often the prediction interval holds one more value."""
    samples = draw(np.random.default_rng(3), (trials, n + 1))
    ends = [prediction_interval(sample[:n].tolist()) for sample in samples]
    next_ones: list[float] = samples[:, n].tolist()
    hits = [low <= one <= high for (low, high), one in zip(ends, next_ones, strict=True)]
    return sum(hits) / trials


def coverage_of_share(draw: Draw, n: int, trials: int) -> float:
    """Return how often the exact interval holds the probability that a value exceeds a bound."""
    _, share = truth(draw)
    counts = (draw(np.random.default_rng(4), (trials, n)) > threshold(draw)).sum(axis=1)
    ends = {int(count): exact_interval(int(count), n) for count in set(counts.tolist())}
    return sum(ends[count][0] <= share <= ends[count][1] for count in counts.tolist()) / trials


def coverage_of_crossed(draw: Draw, n: int, trials: int) -> float:
    """Return how often the interval over seeds and images holds the accuracy on all images.

    An image is right if its difficulty is below the accuracy of the seed, shifted at random.
    """
    rng = np.random.default_rng(5)
    mean, _ = truth(draw)
    hits = 0
    for _ in range(trials):
        accuracies = draw(rng, (n, 1))
        difficulty = rng.uniform(size=CROSSED_IMAGES)
        # Modulo 1 the sum is uniform again, so that each seed has exactly its accuracy on average.
        shift = rng.uniform(-0.02, 0.02, size=(n, CROSSED_IMAGES))
        right = (difficulty + shift) % 1 < accuracies
        found = CrossedBootstrap({"one": right}).interval("one")
        hits += found is not None and found.low <= mean <= found.high
    return hits / trials


INTERVALS = {
    "mean": (coverage_of_mean, TRIALS),
    "one more run": (coverage_of_prediction, TRIALS),
    "share of runs": (coverage_of_share, TRIALS),
    "mean over seeds and images": (coverage_of_crossed, CROSSED_TRIALS),
}


def coverage() -> str:
    """Return a table of how often intervals hold what they are to hold, in per cent."""
    lines = [f"| Data | n | {' | '.join(INTERVALS)} |", "|---|---:|" + "---:|" * len(INTERVALS)]
    for name, draw in DATA.items():
        for n in SEEDS:
            shares = (measure(draw, n, trials) for measure, trials in INTERVALS.values())
            cells = [f"{100 * share:.0f}" for share in shares]
            lines.append(f"| {name} | {n} | {' | '.join(cells)} |")
    return "\n".join(lines)


def tied_networks(rng: np.random.Generator, runs: int) -> Results:
    """Return results of independent runs of networks that are equal in everything."""
    seeds, epochs = np.arange(runs), np.arange(1, EPOCHS + 1)
    curves, scores, weights = {}, {}, {}
    for name in NETWORKS:
        draw = rng.normal(0, SPREAD, size=(5, runs))
        accuracy, loss = 0.88 + draw[0], 1.54 + draw[1]
        noise = rng.normal(0, SPREAD, size=(4, runs * EPOCHS))
        curves[name] = pd.DataFrame(
            {
                "seed": np.repeat(seeds, EPOCHS),
                "epoch": np.tile(epochs, runs),
                "val_accuracy": np.repeat(accuracy, EPOCHS) + noise[0],
                "train_accuracy": np.repeat(accuracy, EPOCHS) + noise[1],
                "val_loss": np.repeat(loss, EPOCHS) + noise[2],
                "train_loss": np.repeat(loss, EPOCHS) + noise[3],
            }
        )
        scores[name] = pd.DataFrame(
            {
                "seed": np.tile(seeds, 2),
                "split": np.repeat(["train", "val"], runs),
                "accuracy": np.concatenate([accuracy + draw[2], accuracy]),
                "loss": np.concatenate([loss, loss]),
            }
        )
        weights[name] = pd.DataFrame(
            {"seed": seeds, "near_zero": 0.5 + draw[3], "total_variation": 1 + draw[4]}
        )
    return Results(curves=curves, scores=scores, weights=weights)


def experiments(number: int, results: Results, n: int) -> Iterator[Evidence]:
    """Yield the evidence of experiments with ``n`` seeds each on a claim, by its number.

    Every comparison is shifted onto the claim's bound: ties where no margin is claimed, else
    differences of just the margin. Only a number beside other conditions is met exactly.
    """
    (claim,) = (claim for claim in CLAIMS if claim.number == number)
    evidence = Evidence.of(
        claim.conditions, [condition.compare(results) for condition in claim.conditions]
    )
    bounds = np.where(np.isfinite(evidence.high), evidence.high, evidence.low)
    if len(claim.conditions) > 1:
        bounds = np.where(np.isnan(evidence.reported), bounds, evidence.reported)
    # The mean over thousands of runs stands for the expected value.
    values = evidence.values - evidence.values.mean(axis=0) + bounds
    for start in range(0, evidence.n - n + 1, n):
        yield replace(evidence, values=values[start : start + n])


def share_decided(number: int, results: Results, n: int) -> float:
    """Return in how many experiments a claim is decided though it lies on its bound."""
    decisions = [one.decide(ALPHA) for one in experiments(number, results, n)]
    return sum(decision != "inconclusive" for decision in decisions) / len(decisions)


def share_of_best_rule(n: int, trials: int) -> float:
    """Return how often the mean lead over the best of six rivals "contradicts" a tie.

    What was done before: in each seed the best rival is subtracted, so that the lead is negative
    on average even among equals.
    """
    accuracies = normal(np.random.default_rng(n), (trials, n, 7))
    leads = accuracies[..., 0] - accuracies[..., 1:].max(axis=2)
    found = [estimate(of_one.tolist()) for of_one in leads]
    return sum(one.high < 0 for one in found) / trials


def errors(seeds: Sequence[int] = SEEDS, trials: int = TRIALS) -> str:
    """Return a table of the errors of each claim, in per cent of experiments."""
    lines = [
        f"| Claim | {' | '.join(f'n = {n}' for n in seeds)} |",
        "|---|" + "---:|" * len(seeds),
    ]
    shares: dict[int, dict[int, float]] = {}
    for n in seeds:
        results = tied_networks(np.random.default_rng(n), n * trials)
        shares[n] = {claim.number: share_decided(claim.number, results, n) for claim in CLAIMS}
    for claim in CLAIMS:
        cells = [f"{100 * shares[n][claim.number]:.1f}" for n in seeds]
        lines.append(f"| {claim.number} | {' | '.join(cells)} |")
    best = [f"{100 * share_of_best_rule(n, trials):.1f}" for n in seeds]
    lines.append(f"| lead over the best rival (not used) | {' | '.join(best)} |")
    return "\n".join(lines)


BLOCKS = {"coverage": coverage, "errors": errors}


def main() -> None:
    """Run all simulations and rewrite the tables of the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    new = BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found[2]]()}\n{found[3]}", text)
    DOCUMENT.write_text(new, encoding="utf-8")
    sys.stdout.write(f"{DOCUMENT.name}: the tables are simulated anew\n")


if __name__ == "__main__":
    main()
