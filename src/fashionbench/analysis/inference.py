"""Tests and exact intervals, by scipy.stats and statsmodels.

Apart from :mod:`fashionbench.analysis.statistics`, since these two packages take seconds to import.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binom, binomtest
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from fashionbench.analysis.statistics import CONFIDENCE

ALPHA = round(1 - CONFIDENCE, 12)
MOST_SEEDS = 10_000
"""Beyond this number of seeds a claim counts as out of reach."""


@dataclass(frozen=True)
class Adjusted:
    """Holm's adjusted p-value of a test, and the level at which the procedure tests it."""

    p: float
    level: float


def holm(p_values: Sequence[float]) -> list[Adjusted]:
    """Adjust the p-values of a family of tests for their number (Holm, Scand. J. Stat. 6, 1979).

    The procedure comes down to one rule: a test is significant if its p-value is at most ALPHA
    divided by the number of tests that the others leave open, itself included. That quotient is its
    ``level``: an interval of confidence 1 - level excludes a bound exactly if the adjusted p-value
    is at most ALPHA.
    """
    if not p_values:
        return []
    rejected, adjusted, _, _ = multipletests(p_values, alpha=ALPHA, method="holm")
    still_open = len(p_values) - int(rejected.sum())
    return [
        Adjusted(float(p), ALPHA / (still_open + bool(is_rejected)))
        for p, is_rejected in zip(adjusted, rejected, strict=True)
    ]


def exact_interval(successes: int, n: int) -> tuple[float, float]:
    """Return the ends of the 95% interval of a probability (Clopper and Pearson, 1934)."""
    found = binomtest(successes, n).proportion_ci(CONFIDENCE, method="exact")
    return float(found.low), float(found.high)


def mcnemar(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return McNemar's exact two-sided p-value for every pair of runs: shape (n, m).

    ``first`` (n, images) and ``second`` (m, images) say which images each run gets right. Of the
    images on which two runs differ, each is right on half under the hypothesis of equal accuracies:
    a binomial test (Dietterich, Neural Computation 10, 1998, section 3.1, there approximated).
    """
    only_first, only_second = discordant(first, second)
    fewer = np.minimum(only_first, only_second)
    p_values = 2 * np.asarray(binom.cdf(fewer, only_first + only_second, 0.5), dtype=np.float64)
    return np.minimum(p_values, 1.0)


def discordant(
    first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Count, for every pair of runs, the images that only the one or only the other gets right.

    Shapes as in :func:`mcnemar`; both results are (n, m).
    """
    # Products of zeros and ones in double precision are exact in any order of summation.
    one, other = first.astype(np.float64), second.astype(np.float64)
    return one @ (1 - other).T, (1 - one) @ other.T


def seeds_needed(effects: Sequence[float], level: float, power: float) -> int | None:
    """Return with how many seeds one-sided t tests are all significant with probability ``power``.

    ``effects`` are the distances of a mean from the bounds it is tested against, in standard
    deviations; ``level`` is that of each test. For several bounds the probability is at least the
    sum of those of each, minus their number less one, and that is used. None stands for more than
    MOST_SEEDS, or for a mean on the wrong side of a bound.
    """
    if min(effects) <= 0:
        return None

    def suffices(n: int) -> bool:
        found = (
            TTestPower().power(effect, n, level, df=n - 1, alternative="larger")
            for effect in effects
        )
        return bool(sum(found) - (len(effects) - 1) >= power)

    fewest, most = 2, 3
    while not suffices(most):
        fewest, most = most, 2 * most
        if fewest > MOST_SEEDS:
            return None
    while most - fewest > 1:
        middle = (fewest + most) // 2
        fewest, most = (fewest, middle) if suffices(middle) else (middle, most)
    return most
