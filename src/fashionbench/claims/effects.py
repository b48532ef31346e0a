"""The effect that a comparison shows: a mean with its standard error and degrees of freedom.

With the report's loss some runs lose a class, and a t test is wrong about a mixture of such runs
and others: five runs may all be of one kind. So the mean is taken over the runs that lost none, as
the report's own runs show no such loss, and how many did is told beside it. A network most of whose
runs lose a class keeps them all: that is what it does.

All functions work on the last axis, so that many samples are judged at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_NO_SPREAD = 1e-12


@dataclass(frozen=True)
class Effects:
    """Means with their standard errors and degrees of freedom, each (..., k).

    An effect of fewer than two runs has an infinite error.
    """

    mean: Array
    error: Array
    freedom: Array

    @classmethod
    def of_runs(cls, values: Array, kept: Flags) -> "Effects":
        """Return the means of those of ``values``, (..., k, n), that are ``kept``, (..., k, n)."""
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

    def at(self, chosen: npt.NDArray[np.bool_]) -> "Effects":
        """Return some of the k effects."""
        return Effects(*(one[..., chosen] for one in (self.mean, self.error, self.freedom)))

    @property
    def deviation(self) -> Array:
        """Return the standard deviations of single runs, or what has their place in Welch's."""
        return self.error * np.sqrt(self.freedom + 1)

    def tail(self, bound: Array, side: int) -> Array:
        """Return the p-values of means not above ``bound`` (side 1), or not below it (side -1).

        One-sided t tests. nan for a mean without spread on the bound.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            found = stdtr(self.freedom, side * (bound - self.mean) / self.error)
        return np.where(np.isinf(self.error), 0.5, found)

    def interval(self, level: float) -> tuple[Array, Array]:
        """Return the ends of the intervals of confidence 1 - level; infinite without an error."""
        half = self.error * stdtrit(self.freedom, 1 - level / 2)
        return self.mean - half, self.mean + half
