"""Means over seeds, their confidence intervals, and prediction intervals of single runs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# scipy.stats has the same quantile as t.ppf, and takes over a second to import.
from scipy.special import bdtr, stdtrit

CONFIDENCE = 0.95
FEWEST_SEEDS = 3
"""The 95% interval of two values is nearly thirteen times as wide as their distance."""
DIGITS = 9
"""Values are rounded to this many decimals, so that no sum's last bit decides anything."""
SIGNIFICANT_DIGITS = 6
"""Of numbers that are written; what follows may depend on the processor."""


@dataclass(frozen=True)
class Estimate:
    """A mean over ``n`` seeds and its two-sided interval; nan for a single seed."""

    mean: float
    low: float
    high: float
    n: int


def estimate(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Return the mean of independent values and its Student's t interval.

    Raises ValueError if there are no values.
    """
    if not len(values):
        raise ValueError("an estimate needs at least one value")
    n, mean = len(values), float(np.mean(values))
    if n == 1:
        return Estimate(mean, math.nan, math.nan, 1)
    standard_error = np.std(values, ddof=1) / np.sqrt(n)
    half = float(standard_error * stdtrit(n - 1, (1 + confidence) / 2))
    return Estimate(mean, mean - half, mean + half, n)


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the median and the ends of its exact interval of at least 95%, for any distribution.

    The ends are the k-th smallest and the k-th largest value, with the largest k for which fewer
    than k of n values lie below the true median with a probability of at most 2.5% (Conover,
    Practical Nonparametric Statistics, 1999, section 3.2). nan for fewer than six values.
    """
    ordered, n = sorted(values), len(values)
    k = sum(bdtr(below, n, 0.5) <= (1 - CONFIDENCE) / 2 for below in range(n // 2))
    low, high = (ordered[k - 1], ordered[n - k]) if k else (math.nan, math.nan)
    return float(np.median(ordered)), low, high


def rounded(value: float) -> float:
    """Round to SIGNIFICANT_DIGITS."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def prediction_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of the 95% prediction interval of one more value; nan for a single value.

    For normal values with unknown mean and variance, mean ± t s √(1 + 1/n) (Geisser, Predictive
    Inference, 1993, section 2.2): wider than the interval of the mean by a factor of √(n + 1).
    """
    found = estimate(values)
    half = (found.high - found.mean) * math.sqrt(found.n + 1)
    return found.mean - half, found.mean + half
