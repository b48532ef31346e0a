"""Tests and exact intervals, by scipy.stats.

Apart from :mod:`fashionbench.analysis.statistics`, since that package takes seconds to import.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import nctdtr, ndtri, stdtrit
from scipy.stats import binom, binomtest, chi2

from fashionbench.analysis.statistics import CONFIDENCE

ALPHA = round(1 - CONFIDENCE, 12)
MOST_SEEDS = 10_000
"""Beyond this number of seeds a claim counts as out of reach."""
_QUANTILES = 31
_FAR = 30.0


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
    adjusted, levels = holm_of(np.array(p_values))
    return [Adjusted(float(p), float(one)) for p, one in zip(adjusted, levels, strict=True)]


def holm_of(
    p_values: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the adjusted p-values and the levels of many families, (tests, ...) each.

    Not by statsmodels, whose function collects garbage at every call.
    """
    count, order = len(p_values), np.argsort(p_values, axis=0)
    still_open = (count - np.arange(count)).reshape(-1, *[1] * (p_values.ndim - 1))
    steps = np.take_along_axis(p_values, order, axis=0) * still_open
    adjusted = np.minimum(1.0, np.maximum.accumulate(steps, axis=0))
    adjusted = np.take_along_axis(adjusted, np.argsort(order, axis=0), axis=0)
    is_rejected = adjusted <= ALPHA
    return adjusted, ALPHA / (count - is_rejected.sum(axis=0) + is_rejected)


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


def seeds_needed(effects: Sequence[float], n: int, level: float, wanted: float) -> int | None:
    """Return how many new seeds make one-sided t tests significant with an assurance ``wanted``.

    ``effects`` are the distances of the mean of ``n`` seeds from the bounds it is tested against,
    in standard deviations of these seeds; ``level`` is that of each test. Assurance is power
    averaged over what these seeds leave open, the true mean and deviation (O'Hagan, Stevens and
    Campbell, Pharm. Stat. 4, 2005): power at the observed effect alone promises too much. For
    several bounds it is at least the sum of the powers, less their number minus one, and that is
    used. None if MOST_SEEDS do not suffice.
    """

    def suffices(number: int) -> bool:
        return assurance(effects, n, level, number) >= wanted

    fewest, most = 2, 3
    while not suffices(most):
        fewest, most = most, 2 * most
        if fewest > MOST_SEEDS:
            return None
    while most - fewest > 1:
        middle = (fewest + most) // 2
        fewest, most = (fewest, middle) if suffices(middle) else (middle, most)
    return most


def assurance(effects: Sequence[float], n: int, level: float, number: int) -> float:
    """Return the assurance of tests with a ``number`` of new seeds; see :func:`seeds_needed`.

    Under the usual prior the true effect is distributed like d √(χ²/(n - 1)) + z/√n, with d the
    observed one, χ² of n - 1 degrees of freedom, and z normal.
    """
    quantiles = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    scale = np.sqrt(chi2.ppf(quantiles, n - 1) / (n - 1))[:, np.newaxis]
    shift = ndtri(quantiles) / np.sqrt(n)
    critical = stdtrit(number - 1, 1 - level)
    power = np.full((_QUANTILES, _QUANTILES), 1.0 - len(effects))
    for effect in effects:
        # Beyond, the power is 0 or 1, and its function loses its precision.
        decentred = np.clip((effect * scale + shift) * np.sqrt(number), -_FAR, _FAR)
        found = 1 - nctdtr(number - 1, decentred, critical)
        power = power + np.where(decentred >= _FAR, 1.0, found)
    return float(np.clip(power, 0, 1).mean())
