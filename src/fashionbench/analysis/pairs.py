"""All pairs of networks, compared by their final accuracies."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import mannwhitneyu, ttest_1samp

from fashionbench.analysis.conditions import DIGITS, rounded
from fashionbench.analysis.correctness import Correct
from fashionbench.analysis.crossed import CrossedBootstrap, crossed_bootstrap
from fashionbench.analysis.evidence import FEWEST_SEEDS
from fashionbench.analysis.files import PAIRS_FILE
from fashionbench.analysis.inference import ALPHA, holm, mcnemar
from fashionbench.analysis.results import Results, ScoredSplit
from fashionbench.analysis.statistics import estimate

NUMBERS = [
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
]
COLUMNS = ["loss_input", "split", "first", "second", *NUMBERS]
SPLITS: tuple[ScoredSplit, ...] = ("val", "test")


def write_pairs(pairs: pd.DataFrame) -> None:
    """Write pairs.csv, with p-values of any size."""
    pairs.to_csv(PAIRS_FILE, index=False, lineterminator="\n")


def compare_pairs(results: Results) -> pd.DataFrame:
    """Return one row per split and pair of networks; numbers have six significant digits.

    Columns: loss_input, split, first and second, the names; difference, the mean over seeds of the
    accuracy of the first minus the second, with its 95% interval (low, high) and the one over seeds
    and images (crossed_low, crossed_high), of whose variance ``images`` is the images' share; p of
    the paired t test, and p_adjusted by Holm over all pairs of the split; superiority, the
    probability that a run of the first beats a run of the second, whatever their seeds, ties
    counting half; mcnemar_for and mcnemar_against, the shares of these pairs of runs for which
    McNemar's exact test is significant at 5%, in favour of the network that is better on average
    and of the other. nan where there are too few seeds or no predictions. Empty for a single
    network.
    """
    return pd.concat([_compare(results, split) for split in SPLITS], ignore_index=True)


def _compare(results: Results, split: ScoredSplit) -> pd.DataFrame:
    accuracies = {name: results.score(name, split, "accuracy") for name in results.scores}
    correct = results.correct.get(split, {})
    bootstrap = crossed_bootstrap(correct)
    rows = [
        {"loss_input": results.loss_input, "split": split}
        | _row(first, second, accuracies, correct, bootstrap)
        for first, second in combinations(accuracies, 2)
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    tested = table["p"].notna()
    table.loc[tested, "p_adjusted"] = [one.p for one in holm(table.loc[tested, "p"].tolist())]
    table[NUMBERS] = table[NUMBERS].astype(np.float64).map(rounded)
    return table


def _row(
    first: str,
    second: str,
    accuracies: Mapping[str, "pd.Series[float]"],
    correct: Correct,
    bootstrap: CrossedBootstrap | None,
) -> dict[str, object]:
    one, other = (accuracies[name] for name in (first, second))
    differences = (one - other).dropna().round(DIGITS)
    found = estimate(differences.tolist())
    crossed = bootstrap.interval(first, second) if bootstrap else None
    wins, losses = _mcnemar_shares(correct, first, second, found.mean)
    return {
        "first": first,
        "second": second,
        "difference": found.mean,
        "low": found.low,
        "high": found.high,
        "crossed_low": crossed.low if crossed else np.nan,
        "crossed_high": crossed.high if crossed else np.nan,
        "images": crossed.images if crossed else np.nan,
        "p": _paired_p(differences),
        "superiority": float(mannwhitneyu(one, other).statistic) / (len(one) * len(other)),
        "mcnemar_for": wins,
        "mcnemar_against": losses,
    }


def _paired_p(differences: "pd.Series[float]") -> float:
    """Return the two-sided p-value of the paired t test; nan for too few seeds."""
    if len(differences) < FEWEST_SEEDS:
        return np.nan
    if differences.nunique() == 1:
        return float(differences.iloc[0] == 0)
    return float(ttest_1samp(differences, 0).pvalue)


def _mcnemar_shares(
    correct: Correct, first: str, second: str, difference: float
) -> tuple[float, float]:
    if not {first, second} <= correct.keys():
        return np.nan, np.nan
    right, other = correct[first], correct[second]
    significant = mcnemar(right, other) <= ALPHA
    lead = np.sign(np.subtract.outer(_shares(right), _shares(other)).round(DIGITS))
    better = np.sign(difference)
    wins, losses = (float((significant & (lead == side)).mean()) for side in (better, -better))
    return wins, losses


def _shares(right: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    shares: npt.NDArray[np.float64] = right.mean(axis=1)
    return shares
