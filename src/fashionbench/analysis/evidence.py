"""What the replicates say for and against a claim, and the rule that makes one verdict of it.

Three answers are taken together: in how many seeds the sentence holds by itself; whether the
report's own number lies in the 95% prediction interval of a single run; and on which side of its
bounds the mean of every comparison lies, by one-sided t tests. The claim is

- *reproduced* if the mean of every comparison lies within its bounds, the sentence holds in more
  than half of the seeds, and the report's numbers lie in their prediction intervals;
- *contradicted* if the mean of some comparison lies outside its bounds, the sentence fails in more
  than half of the seeds, and that comparison's number, if it has one, lies outside its prediction
  interval;
- *inconclusive* otherwise.

"Every" is an intersection-union test, which needs no correction (Berger, Technometrics 24, 1982).
"Some" does: its p-values are multiplied by the number of comparisons, as in Holm's first step. With
two bounds the first of these is the test of equivalence by two one-sided tests (Schuirmann,
J. Pharmacokinet. Biopharm. 15, 1987).

A condition may itself claim something of some comparison only. Then the two words change places: it
lies within if some comparison does, corrected for their number, and outside if every one does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

from fashionbench.analysis.conditions import Comparison, Condition

FEWEST_SEEDS = 3
"""The 95% interval of two values is nearly thirteen times as wide as their distance."""

Decision = Literal["reproduced", "contradicted", "inconclusive"]
Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_NO_SPREAD = 1e-12


@dataclass(frozen=True)
class Evidence:
    """The values of a claim's comparisons, their bounds and the report's numbers.

    ``values`` is (n, k): a row per seed, a column per comparison. ``low``, ``high`` and
    ``reported`` are (k,), the last nan where there is no number. ``condition`` (k,) numbers the
    conditions that the comparisons belong to, and ``some`` (k,) tells where that condition is about
    some of its comparisons. All comparisons of such a condition make one test, and every other
    comparison makes one of its own; ``tests`` is their number in the whole claim, which these may
    be a part of.
    """

    values: Array
    low: Array
    high: Array
    reported: Array
    condition: npt.NDArray[np.int64]
    some: Flags
    tests: int

    @classmethod
    def of(
        cls, conditions: Sequence[Condition], found: Sequence[Sequence[Comparison]]
    ) -> "Evidence":
        """Collect the comparisons found for each condition."""
        numbers = np.repeat(np.arange(len(found)), [len(comparisons) for comparisons in found])
        columns = {
            place: comparison.values
            for place, comparison in enumerate(one for comparisons in found for one in comparisons)
        }
        seeds = sorted(set.intersection(*(set(column.index) for column in columns.values())))
        values = np.column_stack([column.loc[seeds] for column in columns.values()])
        bounds = [
            (one.low, one.high, np.nan if one.reported is None else one.reported)
            for one in (conditions[int(number)] for number in numbers)
        ]
        low, high, reported = np.array(bounds, dtype=np.float64).T
        some = np.array([conditions[int(number)].some for number in numbers])
        tests = sum(1 if one.some else len(of) for one, of in zip(conditions, found, strict=True))
        return cls(values.astype(np.float64), low, high, reported, numbers, some, tests)

    @property
    def n(self) -> int:
        """Return the number of seeds."""
        return len(self.values)

    def part(self, number: int) -> "Evidence":
        """Return the evidence on one condition of the claim."""
        mine = self.condition == number
        return replace(
            self,
            values=self.values[:, mine],
            low=self.low[mine],
            high=self.high[mine],
            reported=self.reported[mine],
            condition=self.condition[mine],
            some=self.some[mine],
        )

    def with_bounds(self, number: int, low: float, high: float) -> "Evidence":
        """Return the evidence with other bounds for one condition."""
        mine = self.condition == number
        return replace(
            self, low=np.where(mine, low, self.low), high=np.where(mine, high, self.high)
        )

    def p_within(self) -> Array:
        """Return the p-value of each comparison, (k,), that its mean does not lie within bounds."""
        p_low, p_high = (self._one_sided(sign) for sign in (1, -1))
        return np.maximum(np.nan_to_num(p_low, nan=1.0), np.nan_to_num(p_high, nan=1.0))

    def p_outside(self) -> Array:
        """Return the p-value of each comparison, (k,), that its mean does not lie outside bounds.

        Not corrected for the number of comparisons.
        """
        # The other tail: one minus a p-value would be zero from 1e-16 on.
        p_low, p_high = (self._one_sided(sign, beyond=True) for sign in (1, -1))
        return np.minimum(np.nan_to_num(p_low, nan=0.0), np.nan_to_num(p_high, nan=0.0))

    def p(self) -> float:
        """Return the two-sided p-value of the claim: against both verdicts."""
        p_within, p_outside = self.p_within(), self.p_outside()
        within = max(len(test) * p_within[test].min() for test in self._all())
        outside = self.tests * min(p_outside[test].max() for test in self._all())
        return float(min(1.0, 2 * min(within, outside)))

    def holds(self) -> Flags:
        """Tell in which seeds the sentence holds by itself: (n,)."""
        inside = (self.low < self.values) & (self.values < self.high)
        held = np.stack([inside[:, test].any(axis=1) for test in self._all()])
        return np.asarray(held.all(axis=0), dtype=np.bool_)

    def chances(self) -> npt.NDArray[np.int64]:
        """Return among how many comparisons each may be the one that lies within: (k,)."""
        found = np.ones(len(self.some), dtype=np.int64)
        for test in self._all():
            found[test] = len(test)
        return found

    def is_predicted(self) -> Flags:
        """Tell whether each reported number lies in its prediction interval: (k,)."""
        mean, error = self._mean_and_error()
        half = error * np.sqrt(self.n + 1) * stdtrit(self.n - 1, 0.975)
        return np.asarray(np.abs(self.reported - mean) <= half, dtype=np.bool_)

    def decide(self, level: float) -> Decision:
        """Return the verdict by the rule above; ``level`` is two-sided, FEWEST_SEEDS are needed."""
        if self.n < FEWEST_SEEDS:
            return "inconclusive"
        share, predicted = self.holds().mean(), self.is_predicted()
        no_number, tests = np.isnan(self.reported), self._all()
        within = (self.p_within() * self.chances() <= level / 2) & (no_number | predicted)
        if all(within[test].any() for test in tests) and share > 0.5:
            return "reproduced"
        outside = (self.p_outside() * self.tests <= level / 2) & (no_number | ~predicted)
        if any(outside[test].all() for test in tests) and share < 0.5:
            return "contradicted"
        return "inconclusive"

    def weakest(self) -> int:
        """Return the place of the comparison of a condition by which it stands or falls.

        It is the one that speaks least for the claim; of a condition about some, the one that
        speaks most for it.
        """
        mean, _ = self._mean_and_error()
        distance = np.minimum(mean - self.low, self.high - mean)
        order = np.lexsort((distance, -self.p_within()))
        return int(order[-1 if self.some.all() else 0])

    def interval(self, level: float) -> tuple[Array, Array]:
        """Return the ends of the intervals of confidence 1 - level of the means: (k,) each."""
        mean, error = self._mean_and_error()
        half = error * stdtrit(self.n - 1, 1 - level / 2)
        return mean - half, mean + half

    def standardised(self) -> tuple[Array, Array]:
        """Return how far the means lie above ``low`` and below ``high``, in standard deviations."""
        mean, error = self._mean_and_error()
        deviation = error * np.sqrt(self.n)
        with np.errstate(divide="ignore", invalid="ignore"):
            return (mean - self.low) / deviation, (self.high - mean) / deviation

    def _all(self) -> list[npt.NDArray[np.int64]]:
        """Return the places of the comparisons of each test."""
        alone = [np.array([place]) for place in np.flatnonzero(~self.some)]
        together = np.unique(self.condition[self.some])
        return alone + [np.flatnonzero(self.condition == number) for number in together]

    def _one_sided(self, side: int, *, beyond: bool = False) -> Array:
        """Return the p-values, (k,), of means not above ``low`` (side 1) or below ``high`` (-1).

        With ``beyond`` those of the opposite, which sum up to 1 with them.
        nan for a mean without spread that lies on the bound: it lies neither within nor outside by
        chance.
        """
        mean, error = self._mean_and_error()
        bound = self.low if side > 0 else self.high
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = side * (bound - mean) / error
        p_values: Array = stdtr(self.n - 1, -distance if beyond else distance)
        return p_values

    def _mean_and_error(self) -> tuple[Array, Array]:
        mean = self.values.mean(axis=0)
        deviation = self.values.std(axis=0, ddof=1) if self.n > 1 else np.full(len(mean), np.nan)
        is_flat = deviation < _NO_SPREAD
        return np.where(is_flat, self.values[0], mean), np.where(
            is_flat, 0.0, deviation / np.sqrt(self.n)
        )
