"""Means and confidence intervals over seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# scipy.stats has the same quantile as t.ppf, and takes over a second to import.
from scipy.special import stdtrit

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over ``n`` seeds and its two-sided 95% interval; nan for a single seed."""

    mean: float
    low: float
    high: float
    n: int


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean of independent values and its Student's t interval.

    Raises ValueError if there are no values.
    """
    if not len(values):
        raise ValueError("an estimate needs at least one value")
    n, mean = len(values), float(np.mean(values))
    if n == 1:
        return Estimate(mean, math.nan, math.nan, 1)
    standard_error = np.std(values, ddof=1) / np.sqrt(n)
    half = float(standard_error * stdtrit(n - 1, (1 + CONFIDENCE) / 2))
    return Estimate(mean, mean - half, mean + half, n)
