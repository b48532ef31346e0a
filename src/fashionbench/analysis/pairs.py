"""All pairs of networks, compared by their final accuracies over seeds, and over images as well."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import stdtrit

from fashionbench.analysis.result_files import PAIRS_FILE
from fashionbench.analysis.results import Chosen, Correct, Results, ScoredSplit, stacked
from fashionbench.analysis.statistics import (
    ALPHA,
    CONFIDENCE,
    DIGITS,
    FEWEST_SEEDS,
    Effects,
    holm,
    mcnemar,
    rounded,
)


@dataclass(frozen=True)
class CrossedInterval:
    """A 95% interval over seeds and images; ``images`` is their share of its variance, 0 to 1."""

    low: float
    high: float
    images: float


def crossed_interval(
    correct: Correct, first: str, second: str | None = None
) -> CrossedInterval | None:
    """Return the interval of a network's mean accuracy, minus that of a second one if given.

    Two networks are compared in the seeds that both have. None for fewer than two of these, or if a
    network's predictions are not available.
    """
    names = [name for name in (first, second) if name is not None]
    if not correct.keys() >= set(names):
        return None
    seeds = [seed for seed in correct[first] if all(seed in correct[name] for name in names)]
    if len(seeds) < 2:
        return None
    one, *other = (np.stack([correct[name][seed] for seed in seeds]) for name in names)
    return of_scores(one.astype(np.int64) - (other[0] if other else 0))


def of_scores(scores: npt.NDArray[np.int64]) -> CrossedInterval:
    """Return the interval of the mean of ``scores``, (seeds, images), with two or more of each.

    A negative estimate of the images' variance counts as zero, and the interval is never shorter
    than the one over seeds alone: a second source of chance makes nothing more certain.
    """
    n, images = scores.shape
    # Sums of whole numbers, so that they are exact in any order.
    of_seeds, of_images = scores.sum(axis=1), scores.sum(axis=0)
    mean = float(scores.sum() / scores.size)
    correction = int(scores.sum()) ** 2 / scores.size
    between_seeds = float((of_seeds**2).sum() / images - correction)
    between_images = float((of_images**2).sum() / n - correction)
    residual = max(0.0, float((scores**2).sum()) - correction - between_seeds - between_images)
    freedoms = np.array([n - 1, images - 1, (n - 1) * (images - 1)])
    # Mean squares, each divided by the number of scores: parts of the variance of the mean.
    parts = np.array([between_seeds, between_images, residual]) / freedoms / scores.size
    seeds_part, image_part = float(parts[0]), float(max(0.0, parts[1] - parts[2]))
    total = seeds_part + image_part
    if not total:
        return CrossedInterval(mean, mean, 0.0)
    used = parts if image_part else parts[:1]
    freedom = total**2 / float((used**2 / freedoms[: len(used)]).sum())
    quantile = (1 + CONFIDENCE) / 2
    half = float(
        max(
            np.sqrt(total) * stdtrit(freedom, quantile),
            np.sqrt(seeds_part) * stdtrit(n - 1, quantile),
        )
    )
    return CrossedInterval(mean - half, mean + half, image_part / total)


NUMBERS = [
    "seeds",
    "difference",
    "low",
    "high",
    "crossed_low",
    "crossed_high",
    "images",
    "p",
    "p_adjusted",
    "superiority",
    "mcnemar_for",
    "mcnemar_against",
    "welch",
    "welch_low",
    "welch_high",
    "welch_p",
]
COLUMNS = ["loss_input", "split", "first", "second", *NUMBERS]
SPLITS: tuple[ScoredSplit, ...] = ("val", "test")


def write_pairs(pairs: pd.DataFrame) -> None:
    """Write pairs.csv, with p-values of any size."""
    pairs.to_csv(PAIRS_FILE, index=False, lineterminator="\n")


def compare_pairs(results: Results) -> pd.DataFrame:
    """Return one row per split and pair of networks; numbers have six significant digits.

    Columns: loss_input, split, first and second, the names; seeds, the number that both have;
    difference, the mean over these of the accuracy of the first minus the second, with its 95%
    interval (low, high) and the one over seeds and images (crossed_low, crossed_high), of whose
    variance ``images`` is the images' share; p of the paired t test, and p_adjusted by Holm over
    all pairs of the split; superiority, the probability that a run of the first beats a run of the
    second, whatever their seeds, ties counting half; mcnemar_for and mcnemar_against, the shares of
    these pairs of runs for which McNemar's exact test is significant at 5%, in favour of the
    network that is better on average and of the other. Where one network has seeds that the other
    lacks, welch is the difference of the means over all runs, with its interval and p-value by
    Welch's test (Biometrika 34, 1947); without a common seed these also stand for the paired ones.
    nan where there are too few seeds or no predictions. Empty for a single network.
    """
    return pd.concat([_compare(results, split) for split in SPLITS], ignore_index=True)


def _compare(results: Results, split: ScoredSplit) -> pd.DataFrame:
    accuracies = {name: results.score(name, split, "accuracy") for name in results.scores}
    correct = results.correct.get(split, {})
    rows = [
        {"loss_input": results.loss_input, "split": split}
        | _row(first, second, accuracies, correct)
        for first, second in combinations(accuracies, 2)
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    tested = table["p"].notna()
    table.loc[tested, "p_adjusted"], _ = holm(table.loc[tested, "p"].to_numpy(dtype=np.float64))
    table[NUMBERS] = table[NUMBERS].astype(np.float64).map(rounded)
    return table


def _row(
    first: str, second: str, accuracies: Mapping[str, "pd.Series[float]"], correct: Correct
) -> dict[str, object]:
    """Return what is known of a pair; what is not is left out."""
    one, other = accuracies[first], accuracies[second]
    differences = (one - other).dropna().round(DIGITS)
    beaten = np.sign(np.subtract.outer(one.to_numpy(), other.to_numpy()))
    row: dict[str, object] = {"first": first, "second": second, "seeds": len(differences)}
    row["superiority"] = float((1 + beaten).sum() / 2) / beaten.size
    tested: dict[str, float] = {}
    if len(differences) < max(len(one), len(other)):
        effect = _effect(one.round(DIGITS)).minus(_effect(other.round(DIGITS)))
        tested = {"difference": float(effect.mean)}
        if min(len(one), len(other)) >= FEWEST_SEEDS:
            tested = _test(effect)
        row |= {f"welch_{name}": number for name, number in tested.items()}
        row["welch"] = row.pop("welch_difference")
    if len(differences):
        tested = _test(_effect(differences))
        if len(differences) < FEWEST_SEEDS:
            del tested["p"]
    crossed = crossed_interval(correct, first, second)
    if crossed:
        row |= {"crossed_low": crossed.low, "crossed_high": crossed.high, "images": crossed.images}
    return row | tested | _mcnemar_shares(correct, first, second, tested["difference"])


def _effect(runs: "pd.Series[float]") -> Effects:
    return Effects.of_runs(np.asarray(runs, dtype=np.float64))


def _test(effect: Effects) -> dict[str, float]:
    """Return a difference with its 95% interval, nan for a single run, and two-sided p-value."""
    low, high = (float(end) if np.isfinite(end) else np.nan for end in effect.interval())
    p = 2 * min(float(effect.tail(0.0, side)) for side in (1, -1))
    # Without spread a difference is certain, also if there is none.
    p = 1.0 if np.isnan(p) else p
    return {"difference": float(effect.mean), "low": low, "high": high, "p": p}


def _mcnemar_shares(
    correct: Correct, first: str, second: str, difference: float
) -> dict[str, float]:
    if not {first, second} <= correct.keys():
        return {}
    right, other = stacked(correct[first]), stacked(correct[second])
    significant = mcnemar(right, other) <= ALPHA
    lead = np.sign(np.subtract.outer(right.mean(axis=1), other.mean(axis=1)).round(DIGITS))
    better = np.sign(difference)
    return {
        f"mcnemar_{name}": float((significant & (lead == side)).mean())
        for name, side in (("for", better), ("against", -better))
    }


def mcnemar_p(chosen: Chosen) -> dict[tuple[str, str], float]:
    """Return McNemar's exact p-value of each pair of networks, by the names of both."""
    right = {name: (found == chosen.labels)[None] for name, found in chosen.predictions.items()}
    return {
        (one, other): float(mcnemar(right[one], right[other])[0, 0])
        for one, other in combinations(right, 2)
    }
