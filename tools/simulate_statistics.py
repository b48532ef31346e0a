"""Simulate the statistics of docs/statistics.md, and renew its tables: ``make simulations``.

How often intervals hold what they are to hold, and how often claims are decided on networks that
are exactly at a claim's bound, such as networks that are tied, so that any decision is an error.
"""

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from fashionbench.analysis.pairs import of_scores
from fashionbench.analysis.results import Results
from fashionbench.analysis.statistics import ALPHA, Array, Effects, exact_interval, holm
from fashionbench.claims.quantities import load_claims
from fashionbench.claims.rule import Evidence, Examined, examine
from fashionbench.claims.sensitivity import resample
from fashionbench.errors import DataError
from fashionbench.params import LossInput, load_params
from fashionbench.paths import network_table

PROJECT = Path(__file__).resolve().parents[1]
DOCUMENT = PROJECT / "docs/statistics.md"
BLOCK = re.compile(r"(<!-- begin (\w+): make simulations -->\n).*?(<!-- end \2 -->)", flags=re.S)
SEEDS = (5, 10, 20, 40)
TRIALS = 10_000
COVERAGE_TRIALS = 1000
CROSSED_IMAGES = 10_000
NORMAL_RUNS = 4000
"""Of equal networks, from which samples are drawn."""
FAMILY = "any of them, corrected"
LOSSES: tuple[LossInput, ...] = get_args(LossInput)
EPOCHS = 12
NETWORKS = tuple(load_params(PROJECT / "params.yaml").networks)
CLAIMS = load_claims(PROJECT / "claims.yaml")
SPREAD = 0.005
"""Standard deviation between the seeds of a simulated network."""

Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]


def normal(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
    """Draw accuracies around 88%."""
    return rng.normal(0.88, SPREAD, size)


def two_groups(rng: np.random.Generator, size: tuple[int, ...], rate: float = 0.4) -> Array:
    """Draw accuracies of which a share ``rate`` is 7 points lower, like those that lose a class."""
    return rng.normal(0.882, SPREAD, size) - 0.07 * (rng.uniform(size=size) < rate)


def saturated(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
    """Draw shares near 1, of which about a third are exactly 1."""
    return np.minimum(1.0, rng.normal(0.998, SPREAD, size))


DATA: dict[str, Draw] = {
    "normal": normal,
    "two groups, 3 : 2": two_groups,
    "two groups, 4 : 1": partial(two_groups, rate=0.2),
    "saturated": saturated,
}


def true_mean(draw: Draw) -> float:
    """Return the mean of a distribution."""
    return float(draw(np.random.default_rng(0), (1_000_000,)).mean())


def coverage_of_mean(draw: Draw, n: int, trials: int) -> float:
    """Return how often Student's interval holds the mean."""
    low, high = Effects.of_runs(draw(np.random.default_rng(2), (trials, n))).interval()
    mean = true_mean(draw)
    return float(((low <= mean) & (mean <= high)).mean())


def coverage_of_prediction(draw: Draw, n: int, trials: int) -> float:
    """Return how often the prediction interval holds one more value."""
    samples = draw(np.random.default_rng(3), (trials, n + 1))
    low, high = Effects.of_runs(samples[:, :n]).predicted()
    return float(((low <= samples[:, n]) & (samples[:, n] <= high)).mean())


def coverage_of_share(draw: Draw, n: int, trials: int) -> float:
    """Return how often the exact interval holds the probability that a value exceeds a bound."""
    bound = np.quantile(draw(np.random.default_rng(1), (100_000,)), 0.4)
    share = (draw(np.random.default_rng(0), (1_000_000,)) > bound).mean()
    counts = (draw(np.random.default_rng(4), (trials, n)) > bound).sum(axis=1)
    low, high = np.transpose([exact_interval(int(count), n) for count in counts])
    return float(((low <= share) & (share <= high)).mean())


def coverage_of_crossed(draw: Draw, n: int, trials: int) -> float:
    """Return how often the interval over seeds and images holds the accuracy on all images.

    An image is right if its difficulty is below the accuracy of the seed, shifted at random.
    """
    rng, mean, hits = np.random.default_rng(5), true_mean(draw), 0
    for _ in range(trials):
        accuracies = draw(rng, (n, 1))
        difficulty = rng.uniform(size=CROSSED_IMAGES)
        # Modulo 1 the sum is uniform again, so that each seed has exactly its accuracy on average.
        shift = rng.uniform(-0.02, 0.02, size=(n, CROSSED_IMAGES))
        right = (difficulty + shift) % 1 < accuracies
        found = of_scores(right.astype(np.int64))
        hits += found.low <= mean <= found.high
    return hits / trials


INTERVALS = {
    "mean": coverage_of_mean,
    "one more run": coverage_of_prediction,
    "share of runs": coverage_of_share,
    "mean over seeds and images": coverage_of_crossed,
}


def coverage() -> str:
    """Return a table of how often intervals hold what they are to hold, in per cent."""
    lines = [f"| Data | n | {' | '.join(INTERVALS)} |", "|---|---:|" + "---:|" * len(INTERVALS)]
    for name, draw in DATA.items():
        for n in SEEDS:
            shares = [measure(draw, n, COVERAGE_TRIALS) for measure in INTERVALS.values()]
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


def on_its_bound(evidence: Evidence) -> Array:
    """Return how far each comparison, (k,), is shifted for its effect to lie on its bound.

    Ties where no margin is claimed, else differences of just the margin. Whatever is decided of
    samples of such runs is an error.
    """
    bounds = np.where(np.isfinite(evidence.high), evidence.high, evidence.low)
    shift: Array = bounds - evidence.effects.mean
    return shift


@dataclass(frozen=True)
class Population:
    """All runs of the networks that a claim compares, and the evidence that these give."""

    examined: Examined
    evidence: Evidence

    def sample(self, drawn: Array) -> Evidence:
        """Return the evidence of many samples; ``drawn`` is as for :func:`resample`."""
        return resample(self.evidence, [*chain(*self.examined.found)], drawn)


def populations(results: Results) -> dict[str, Population]:
    """Return what each claim that these results can test is about, by its number."""
    examined = [examine(claim, results) for claim in CLAIMS]
    return {
        one.claim.number: Population(one, one.evidence)
        for one in examined
        if one.evidence and one.is_judged
    }


def shifted(evidence: Evidence, shift: Array) -> Evidence:
    """Return evidence whose values are all higher by ``shift``, (k,)."""
    effects = replace(evidence.effects, mean=evidence.effects.mean + shift)
    return replace(evidence, effects=effects, values=evidence.values + shift)


def errors_of(
    tested: Mapping[str, Population], n: int, trials: int, rng: np.random.Generator
) -> dict[str, float]:
    """Return how often samples of ``n`` runs decide each claim that lies on its bound, alone.

    The entry FAMILY is how often any claim is decided when all are corrected as one family.
    """
    drawn = rng.uniform(size=(trials, n))
    answers = {
        number: shifted(one.sample(drawn), on_its_bound(one.evidence))
        for number, one in tested.items()
    }
    shares = {number: _decided(one, ALPHA) for number, one in answers.items()}
    _, adjusted = holm(np.stack([one.p() for one in answers.values()]))
    wrong = [_decided(one, level) for one, level in zip(answers.values(), adjusted, strict=True)]
    return {number: float(found.mean()) for number, found in shares.items()} | {
        FAMILY: float(np.any(wrong, axis=0).mean())
    }


def _decided(evidence: Evidence, level: Array | float) -> npt.NDArray[np.bool_]:
    return np.asarray(evidence.decisions(level) != "inconclusive")


def read_seeds(loss_input: LossInput) -> Results:
    """Read the forty seeds of the study of seeds; curves and weights only if they are here."""
    folder = PROJECT / "studies/seeds"
    ending = "" if loss_input == "probabilities" else f"_{loss_input}"

    def read(table: str) -> dict[str, pd.DataFrame]:
        paths = {name: folder / network_table(f"{name}{ending}", table) for name in NETWORKS}
        return {name: pd.read_csv(path) for name, path in paths.items() if path.exists()}

    return Results(
        curves=read("curves"),
        scores=read("scores"),
        weights=read("weights"),
        loss_input=loss_input,
    )


def share_of_best_rule(n: int, trials: int) -> float:
    """Return how often the mean lead over the best of six rivals "contradicts" a tie.

    What was done before: in each seed the best rival is subtracted, so that the lead is negative
    on average even among equals.
    """
    accuracies = normal(np.random.default_rng(n), (trials, n, 7))
    _, high = Effects.of_runs(accuracies[..., 0] - accuracies[..., 1:].max(axis=2)).interval()
    return float((high < 0).mean())


def errors(trials: int = TRIALS) -> str:
    """Return a table of the errors of each claim, in per cent of samples.

    Raises DataError if the study of seeds has not been run here: git has no curves of single runs.
    """
    rng = np.random.default_rng(6)
    sources = {"normal": populations(tied_networks(rng, NORMAL_RUNS))}
    for name in LOSSES:
        studied = read_seeds(name)
        if not studied.curves:
            raise DataError("studies/seeds has no curves here; run make study NAME=seeds")
        sources[name] = populations(studied)
    columns = {
        f"{name}, {n}": errors_of(tested, n, trials, rng)
        for name, tested in sources.items()
        for n in SEEDS
    }
    lines = [f"| Claim | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    for number in [*(claim.number for claim in CLAIMS), FAMILY]:
        cells = [
            f"{100 * found[number]:.1f}" if number in found else "" for found in columns.values()
        ]
        lines.append(f"| {number} | {' | '.join(cells)} |")
    best = ", ".join(f"{100 * share_of_best_rule(n, 1000):.0f}% at {n}" for n in SEEDS)
    lines.append(f"\nThe lead over the best rival, which is not used, would err in {best} seeds.")
    return "\n".join(lines)


BLOCKS = {"coverage": coverage, "errors": errors}


def main() -> None:
    """Run all simulations and rewrite the tables of the document that can be made here."""
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(BLOCK.sub(_renewed, text), encoding="utf-8")


def _renewed(block: re.Match[str]) -> str:
    name = block[2]
    try:
        table = BLOCKS[name]()
    except DataError as error:
        sys.stderr.write(f"{DOCUMENT.name}: the table of {name} stays as it is: {error}\n")
        return block[0]
    sys.stdout.write(f"{DOCUMENT.name}: the table of {name} is simulated anew\n")
    return f"{block[1]}{table}\n{block[3]}"


if __name__ == "__main__":
    main()
