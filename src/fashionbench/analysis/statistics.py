"""Means over seeds, their confidence intervals, and prediction intervals of single runs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# scipy.stats has the same quantile as t.ppf, and takes over a second to import.
from scipy.special import stdtrit

CONFIDENCE = 0.95


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


def prediction_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of the 95% prediction interval of one more value; nan for a single value.

    For normal values with unknown mean and variance, mean ± t s √(1 + 1/n) (Geisser, Predictive
    Inference, 1993, section 2.2): wider than the interval of the mean by a factor of √(n + 1).
    """
    found = estimate(values)
    half = (found.high - found.mean) * math.sqrt(found.n + 1)
    return found.mean - half, found.mean + half
