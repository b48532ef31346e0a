"""What the replicates say for and against a claim, and the rule that makes one verdict of it.

Three answers are taken together: in how many seeds the sentence holds by itself; whether the
report's own number lies in the 95% prediction interval of a single run; and on which side of its
bounds the mean of every comparison lies, by one-sided t tests. The claim is

- *reproduced* if the mean of every comparison lies within its bounds, the sentence holds in more
  than half of the seeds, and the report's numbers lie in their prediction intervals;
- *contradicted* if the mean of some comparison lies outside its bounds, the sentence fails in more
  than half of the seeds, and that comparison's number, if it has one, lies outside its prediction
  interval;
- *mixed* if the answers disagree, which more seeds would not change: the means decide one way, and
  the number another way, or the single seeds, of which significantly more than half do;
- *inconclusive* otherwise, for want of data.

With the report's loss some runs lose a class, and a t test is wrong about a mixture of such runs
and others: five runs may all be of one kind. So the mean is taken over the runs that lost none, as
the report's own runs show no such loss, and how many did is told beside it. A network most of whose
runs lose a class keeps them all: that is what it does.

A reported number stands for all that round to it, and the report's run had other images than these
replicates: the prediction interval counts the sampling of both sets, of equal size.

"Every" is an intersection-union test, which needs no correction (Berger, Technometrics 24, 1982).
"Some" does: its p-values are multiplied by the number of comparisons, as in Holm's first step. With
two bounds the first of these is the test of equivalence by two one-sided tests (Schuirmann,
J. Pharmacokinet. Biopharm. 15, 1987).

A condition may itself claim something of some comparison only. Then the two words change places: it
lies within if some comparison does, corrected for their number, and outside if every one does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, cast

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr

from fashionbench.analysis.results import NotComparedError, NotTestableError, Results
from fashionbench.analysis.statistics import FEWEST_SEEDS, Array, Effects, Flags, holm
from fashionbench.claims.language import Verdict, half_unit
from fashionbench.claims.quantities import Claim, Comparison, Condition

Decision = Literal["reproduced", "contradicted", "mixed", "inconclusive"]

_RARE = 0.025


class Adjusted(NamedTuple):
    """Holm's adjusted p-value of a test, and the level at which the procedure tests it."""

    p: float
    level: float


@dataclass(frozen=True)
class Evidence:
    """The effects and values of a claim's comparisons, their bounds and the report's numbers.

    ``effects`` are (..., k), one a comparison, and ``values`` (..., n, k), a row per seed that all
    have; the leading axes are samples, if many are judged at a time. ``low``, ``high`` and
    ``reported`` are (k,), the last nan where there is no number. ``condition`` (k,) numbers the
    conditions that the comparisons belong to, and ``some`` (k,) tells where that condition is about
    some of its comparisons. All comparisons of such a condition make one test, and every other
    comparison makes one of its own; ``tests`` is their number in the whole claim, which these may
    be a part of. ``half_unit`` (k,) is half a unit of the last digit of the reported numbers, and
    ``images`` (k,) the number of images that an accuracy is of, infinite for other values.
    """

    effects: Effects
    values: Array
    low: Array
    high: Array
    reported: Array
    condition: npt.NDArray[np.int64]
    some: Flags
    tests: int
    half_unit: Array
    images: Array

    @classmethod
    def of(
        cls,
        conditions: Sequence[Condition],
        found: Sequence[Sequence[Comparison]],
        images: int = 10_000,
        *,
        in_pairs: bool | None = None,
        with_lost: bool = False,
    ) -> "Evidence":
        """Collect the comparisons found for each condition, in the seeds that all of them have.

        ``images`` is the number of those that scores are means over, ``in_pairs`` and ``with_lost``
        are those of :meth:`Comparison.effect`. Raises NotTestableError if there is no such seed.
        """
        numbers = np.repeat(np.arange(len(found)), [len(comparisons) for comparisons in found])
        comparisons = [one for of_condition in found for one in of_condition]
        columns = [one.values for one in comparisons]
        seeds = sorted(set.intersection(*(set(column.index) for column in columns)))
        if not seeds:
            raise NotTestableError("the networks have no seed in common")
        of_each = [conditions[int(number)] for number in numbers]
        low, high, reported, units = np.array(
            [
                (
                    one.low,
                    one.high,
                    np.nan if one.reported is None else one.reported,
                    half_unit(one.reported),
                )
                for one in of_each
            ],
            dtype=np.float64,
        ).T
        return cls(
            effects=Effects.joined(
                [one.effect(in_pairs=in_pairs, with_lost=with_lost) for one in comparisons]
            ),
            values=np.column_stack([column.loc[seeds] for column in columns]).astype(np.float64),
            low=low,
            high=high,
            reported=reported,
            condition=numbers,
            some=np.array([one.some for one in of_each]),
            tests=sum(
                1 if one.some else len(of) for one, of in zip(conditions, found, strict=True)
            ),
            half_unit=units,
            images=np.array([images if one.unit == "accuracy" else np.inf for one in of_each]),
        )

    @property
    def n(self) -> int:
        """Return the number of seeds that all comparisons have."""
        return int(self.values.shape[-2])

    def part(self, number: int) -> "Evidence":
        """Return the evidence on one condition of the claim."""
        mine = self.condition == number
        of_each = ("low", "high", "reported", "condition", "some", "half_unit", "images")
        return replace(
            self,
            effects=self.effects.at(mine),
            values=self.values[..., mine],
            **{name: getattr(self, name)[mine] for name in of_each},
        )

    def with_bounds(self, number: int, low: float, high: float) -> "Evidence":
        """Return the evidence with other bounds for one condition."""
        mine = self.condition == number
        return replace(
            self, low=np.where(mine, low, self.low), high=np.where(mine, high, self.high)
        )

    def p_within(self) -> Array:
        """Return the p-value of each comparison, (..., k), that its mean lies not within bounds."""
        p_low, p_high = self.effects.tail(self.low, 1), self.effects.tail(self.high, -1)
        # A mean without spread on its bound lies neither within nor outside by chance.
        return np.maximum(np.nan_to_num(p_low, nan=1.0), np.nan_to_num(p_high, nan=1.0))

    def p_outside(self) -> Array:
        """Return the p-value of each comparison, (..., k), that its mean lies not outside bounds.

        Not corrected for the number of comparisons.
        """
        # The other tail: one minus a p-value would be zero from 1e-16 on.
        p_low, p_high = self.effects.tail(self.low, -1), self.effects.tail(self.high, 1)
        return np.minimum(np.nan_to_num(p_low, nan=0.0), np.nan_to_num(p_high, nan=0.0))

    def p(self) -> Array:
        """Return the two-sided p-value of the claim, (...,): against both verdicts."""
        p_within, p_outside = self.p_within() * self.chances(), self.p_outside() * self.tests
        within = np.max([p_within[..., test].min(axis=-1) for test in self._all()], axis=0)
        outside = np.min([p_outside[..., test].max(axis=-1) for test in self._all()], axis=0)
        return np.asarray(np.minimum(1.0, 2 * np.minimum(within, outside)))

    def holds(self) -> Flags:
        """Tell in which seeds the sentence holds by itself: (..., n)."""
        inside = (self.low < self.values) & (self.values < self.high)
        held = [inside[..., test].any(axis=-1) for test in self._all()]
        return np.asarray(np.all(held, axis=0), dtype=np.bool_)

    def chances(self) -> npt.NDArray[np.int64]:
        """Return among how many comparisons each may be the one that lies within: (k,)."""
        found = np.ones(len(self.some), dtype=np.int64)
        for test in self._all():
            found[test] = len(test)
        return found

    def is_predicted(self) -> Flags:
        """Tell whether what rounds to each reported number meets its prediction: (..., k)."""
        low, high = self.effects.predicted(self.images)
        return np.asarray(
            (low <= self.reported + self.half_unit) & (self.reported - self.half_unit <= high)
        )

    def within(self, level: float | Array) -> Flags:
        """Tell whether all means lie within their bounds, tested at a two-sided level: (...,)."""
        each = self.p_within() * self.chances() <= np.asarray(level)[..., np.newaxis] / 2
        return np.asarray(np.all([each[..., test].any(axis=-1) for test in self._all()], axis=0))

    def outside(self, level: float | Array, among: Flags | bool = True) -> Flags:
        """Tell whether some mean ``among`` those of k lies outside, tested likewise: (...,)."""
        each = self.p_outside() * self.tests <= np.asarray(level)[..., np.newaxis] / 2
        each = each & among
        return np.asarray(np.any([each[..., test].all(axis=-1) for test in self._all()], axis=0))

    def decisions(self, level: float | Array) -> npt.NDArray[np.str_]:
        """Return the verdicts by the rule above, (...,); ``level`` is two-sided.

        FEWEST_SEEDS are needed.
        """
        within, silent, predicted = self.within(level), np.isnan(self.reported), self.is_predicted()
        decided = (within | self.outside(level)) & (self.n >= FEWEST_SEEDS)
        agrees = np.where(
            within,
            (silent | predicted).all(axis=-1),
            self.outside(level, among=silent | ~predicted),
        )
        holds = self.holds().sum(axis=-1)
        against = np.where(within, self.n - holds, holds)
        # So many, or more, of n seeds in which either is as likely.
        most = (against > 0) & (1 - bdtr(np.maximum(against - 1.0, 0), self.n, 0.5) <= _RARE)
        said = np.where(within, "reproduced", "contradicted")
        clear = np.where(agrees & (2 * against < self.n), said, "inconclusive")
        clear = np.where((most | ~agrees) & (clear == "inconclusive"), "mixed", clear)
        return np.where(decided, clear, "inconclusive")

    def decide(self, level: float) -> Decision:
        """Return the verdict on one sample, by :meth:`decisions`."""
        return cast(Decision, str(self.decisions(level)))

    def weakest(self) -> int:
        """Return the place of the comparison of a condition by which it stands or falls.

        It is the one that speaks least for the claim; of a condition about some, the one that
        speaks most for it.
        """
        if self.n < 2:
            return 0
        mean = self.effects.mean
        order = np.lexsort((np.minimum(mean - self.low, self.high - mean), -self.p_within()))
        return int(order[-1 if self.some.all() else 0])

    def standardised(self) -> tuple[Array, Array]:
        """Return how far the means lie above ``low`` and below ``high``, in standard deviations."""
        mean, deviation = self.effects.mean, self.effects.deviation
        with np.errstate(divide="ignore", invalid="ignore"):
            return (mean - self.low) / deviation, (self.high - mean) / deviation

    def _all(self) -> list[npt.NDArray[np.int64]]:
        """Return the places of the comparisons of each test."""
        alone = [np.array([place]) for place in np.flatnonzero(~self.some)]
        together = np.unique(self.condition[self.some])
        return alone + [np.flatnonzero(self.condition == number) for number in together]


@dataclass(frozen=True)
class Examined:
    """A claim with the comparisons of each condition; ``remark`` says why it cannot be judged."""

    claim: Claim
    found: tuple[tuple[Comparison, ...], ...]
    evidence: Evidence | None
    remark: str
    is_vacuous: bool = False
    is_applicable: bool = True

    @property
    def comparisons(self) -> Iterator[tuple[Condition, Comparison]]:
        """Yield all comparisons, each with its condition."""
        for condition, found in zip(self.claim.conditions, self.found, strict=False):
            yield from ((condition, comparison) for comparison in found)

    @property
    def is_judged(self) -> bool:
        """Tell whether the claim is tested at all."""
        return self.evidence is not None and not self.remark

    def verdict(self, evidence: Evidence, level: float) -> Verdict:
        """Return the verdict that evidence on this claim gives at a level."""
        return self.verdicts(evidence, np.array([level]))[0]

    def verdicts(self, evidence: Evidence, levels: Array) -> list[Verdict]:
        """Return the verdicts that evidence on this claim gives at several levels."""
        decisions = cast(list[Decision], evidence.decisions(levels).tolist())
        is_true: Verdict = "vacuous" if self.is_vacuous else "reproduced"
        return [is_true if one == "reproduced" else one for one in decisions]


@dataclass(frozen=True)
class Judged:
    """A claim within its family of tests; ``adjusted`` is None if it is not tested."""

    examined: Examined
    adjusted: Adjusted | None

    @property
    def verdict(self) -> Verdict:
        """Return the verdict on the claim."""
        return self._verdict(self.examined.evidence)

    def verdict_on(self, number: int) -> Verdict:
        """Return the verdict on one of the claim's conditions."""
        evidence = self.examined.evidence
        return self._verdict(evidence and evidence.part(number))

    def _verdict(self, evidence: Evidence | None) -> Verdict:
        if not self.examined.is_applicable:
            return "not applicable"
        if evidence is None or self.adjusted is None:
            return "inconclusive"
        return self.examined.verdict(evidence, self.adjusted.level)


def examine(claim: Claim, results: Results) -> Examined:
    """Make the comparisons of a claim."""
    try:
        found = tuple(tuple(condition.compare(results)) for condition in claim.conditions)
        is_vacuous = any(results.learned_nothing(name) for name in claim.about)
        evidence = Evidence.of(claim.conditions, found, results.images)
    except NotTestableError as error:
        is_applicable = not isinstance(error, NotComparedError)
        return Examined(claim, (), None, f"not tested: {error}", is_applicable=is_applicable)
    is_applicable = all(
        condition.loss_input in (None, results.loss_input) for condition in claim.conditions
    )
    remark = ""
    if not is_applicable:
        remark = f"the claim's number is not on the scale of cross-entropy of {results.loss_input}"
    elif evidence.n < FEWEST_SEEDS:
        remark = f"{evidence.n} of at least {FEWEST_SEEDS} seeds"
    return Examined(claim, found, evidence, remark, is_vacuous, is_applicable)


def judge_family(family: Sequence[Examined]) -> list[Judged]:
    """Correct the p-values of all claims that can be tested, and judge each at its level."""
    p_values = [float(one.evidence.p()) for one in family if one.evidence and one.is_judged]
    p_adjusted, levels = holm(np.array(p_values))
    adjusted = map(Adjusted, p_adjusted.tolist(), levels.tolist())
    return [Judged(one, next(adjusted) if one.is_judged else None) for one in family]
