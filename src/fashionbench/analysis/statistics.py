"""Means over seeds with their intervals and tests, exact intervals, and Holm's correction.

By scipy.special, which has the quantiles of scipy.stats: that takes over a second to import.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import (
    bdtr,
    betaincinv,
    gammaincinv,
    nctdtr,
    ndtri,
    stdtr,
    stdtrit,
)

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

CONFIDENCE = 0.95
ALPHA = round(1 - CONFIDENCE, 12)
FEWEST_SEEDS = 3
"""The 95% interval of two values is nearly thirteen times as wide as their distance."""
DIGITS = 9
"""Values are rounded to this many decimals, so that no sum's last bit decides anything."""
SIGNIFICANT_DIGITS = 6
"""Of numbers that are written; what follows may depend on the processor."""
MOST_SEEDS = 10_000
"""Beyond this number of seeds a claim counts as out of reach."""
_NO_SPREAD = 1e-12
_QUANTILES = 31
_FAR = 30.0


def rounded(value: float) -> float:
    """Round to SIGNIFICANT_DIGITS."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


@dataclass(frozen=True)
class Estimate:
    """A mean over ``n`` seeds and its two-sided interval; nan for a single seed."""

    mean: float
    low: float
    high: float
    n: int


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean of independent values and its 95% interval, Student's t.

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


def with_interval(name: str, values: Sequence[float]) -> dict[str, float]:
    """Return a mean and the ends of its 95% interval as columns of a table, ``_low`` and ``_high``.

    Raises ValueError if there are no values.
    """
    found = estimate(values)
    return {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}


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


def exact_interval(successes: int, n: int) -> tuple[float, float]:
    """Return the ends of the 95% interval of a probability (Clopper and Pearson, 1934)."""
    failures = n - successes
    low = betaincinv(successes, failures + 1, (1 - CONFIDENCE) / 2) if successes else 0.0
    high = betaincinv(successes + 1, failures, (1 + CONFIDENCE) / 2) if failures else 1.0
    return float(low), float(high)


@dataclass(frozen=True)
class Effects:
    """Means of many comparisons with their standard errors and degrees of freedom, (...,) each.

    An effect of fewer than two runs has an infinite error.
    """

    mean: Array
    error: Array
    freedom: Array

    @classmethod
    def of_runs(cls, values: Array, kept: Flags | bool = True) -> "Effects":
        """Return the means of those of ``values``, (..., n), that are ``kept``, (..., n)."""
        kept = np.broadcast_to(kept, values.shape)
        count = kept.sum(axis=-1)
        mean = np.where(kept, values, 0).sum(axis=-1) / np.maximum(count, 1)
        squares = np.where(kept, values - mean[..., np.newaxis], 0) ** 2
        deviation = np.sqrt(squares.sum(axis=-1) / np.maximum(count - 1, 1))
        # Equal values have a mean whose last bit differs from theirs.
        first = np.take_along_axis(values, kept.argmax(axis=-1)[..., np.newaxis], axis=-1)[..., 0]
        is_flat = deviation < _NO_SPREAD
        error = np.where(is_flat, 0.0, deviation / np.sqrt(np.maximum(count, 1)))
        return cls(
            mean=np.where(is_flat, first, mean),
            error=np.where(count < 2, np.inf, error),
            freedom=np.maximum(count - 1.0, 1.0),
        )

    def minus(self, other: "Effects") -> "Effects":
        """Return differences of independent means, by Welch (Biometrika 34, 1947)."""
        own, others = self.error**2, other.error**2
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.nan_to_num(own / (own + others), nan=0.5)
        freedom = 1 / (share**2 / self.freedom + (1 - share) ** 2 / other.freedom)
        return Effects(self.mean - other.mean, np.sqrt(own + others), freedom)

    @classmethod
    def joined(cls, effects: Sequence["Effects"]) -> "Effects":
        """Return effects of one comparison each, (...,), as those of all, (..., k)."""
        means, errors, freedoms = (
            np.stack([getattr(one, name) for one in effects], axis=-1)
            for name in ("mean", "error", "freedom")
        )
        return cls(means, errors, freedoms)

    def at(self, chosen: Flags) -> "Effects":
        """Return some of the effects along the last axis."""
        return Effects(*(one[..., chosen] for one in (self.mean, self.error, self.freedom)))

    @property
    def deviation(self) -> Array:
        """Return the standard deviations of single runs, or what has their place in Welch's."""
        return self.error * np.sqrt(self.freedom + 1)

    def tail(self, bound: Array | float, side: int) -> Array:
        """Return the p-values of means not above ``bound`` (side 1), or not below it (side -1).

        One-sided t tests. nan for a mean without spread on the bound.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            found = stdtr(self.freedom, side * (bound - self.mean) / self.error)
        return np.where(np.isinf(self.error), 0.5, found)

    def interval(self, level: float = ALPHA) -> tuple[Array, Array]:
        """Return the ends of the intervals of confidence 1 - level; infinite without an error."""
        half = self.error * stdtrit(self.freedom, 1 - level / 2)
        return self.mean - half, self.mean + half

    def predicted(self, images: Array | float = np.inf) -> tuple[Array, Array]:
        """Return the ends of the 95% prediction intervals of one more run.

        For normal values with unknown mean and variance, mean ± t s √(1 + 1/n) (Geisser, Predictive
        Inference, 1993, section 2.2), to whose variance that of an accuracy between two samples of
        ``images`` is added, 2 p (1 - p) / images.
        """
        variance = self.error**2 * (self.freedom + 2) + 2 * self.mean * (1 - self.mean) / images
        half: Array = np.sqrt(variance) * stdtrit(self.freedom, (1 + CONFIDENCE) / 2)
        return self.mean - half, self.mean + half


def holm(p_values: Array) -> tuple[Array, Array]:
    """Adjust the p-values of families of tests for their number (Holm, Scand. J. Stat. 6, 1979).

    ``p_values`` are (tests, ...), and so are the adjusted ones and the levels that are returned.
    The procedure comes down to one rule: a test is significant if its p-value is at most ALPHA
    divided by the number of tests that the others leave open, itself included. That quotient is its
    level: an interval of confidence 1 - level excludes a bound exactly if the adjusted p-value is
    at most ALPHA.
    """
    count, order = len(p_values), np.argsort(p_values, axis=0)
    still_open = (count - np.arange(count)).reshape(-1, *[1] * (p_values.ndim - 1))
    steps = np.take_along_axis(p_values, order, axis=0) * still_open
    adjusted = np.minimum(1.0, np.maximum.accumulate(steps, axis=0))
    adjusted = np.take_along_axis(adjusted, np.argsort(order, axis=0), axis=0)
    is_rejected = adjusted <= ALPHA
    return adjusted, ALPHA / (count - is_rejected.sum(axis=0) + is_rejected)


def mcnemar(first: Flags, second: Flags) -> Array:
    """Return McNemar's exact two-sided p-value for every pair of runs: shape (n, m).

    ``first`` (n, images) and ``second`` (m, images) say which images each run gets right. Of the
    images on which two runs differ, each is right on half under the hypothesis of equal accuracies:
    a binomial test (Dietterich, Neural Computation 10, 1998, section 3.1, there approximated).
    """
    # Products of zeros and ones in double precision are exact in any order of summation.
    one, other = first.astype(np.float64), second.astype(np.float64)
    only_first, only_second = one @ (1 - other).T, (1 - one) @ other.T
    fewer, differing = np.minimum(only_first, only_second), only_first + only_second
    return np.minimum(2 * bdtr(fewer, differing.astype(np.int64), 0.5), 1.0)


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
    chi_square = 2 * gammaincinv((n - 1) / 2, quantiles)
    scale = np.sqrt(chi_square / (n - 1))[:, np.newaxis]
    shift = ndtri(quantiles) / np.sqrt(n)
    critical = stdtrit(number - 1, 1 - level)
    power = np.full((_QUANTILES, _QUANTILES), 1.0 - len(effects))
    for effect in effects:
        # Beyond, the power is 0 or 1, and its function loses its precision.
        decentred = np.clip((effect * scale + shift) * np.sqrt(number), -_FAR, _FAR)
        found = 1 - nctdtr(number - 1, decentred, critical)
        power = power + np.where(decentred >= _FAR, 1.0, found)
    return float(np.clip(power, 0, 1).mean())
