"""How far a verdict depends on its margins, and how many seeds would decide it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from fashionbench.analysis.conditions import Condition, Verdict
from fashionbench.analysis.evidence import Decision, Evidence
from fashionbench.analysis.inference import seeds_needed

LARGEST_EFFECT = 20.0
"""In standard deviations; beyond, three seeds suffice, and the power loses its precision."""
POWERS = (0.5, 0.8)


@dataclass(frozen=True)
class Flip:
    """The margin beyond which a claim's verdict is another, and that verdict."""

    margin: float
    verdict: Verdict


def flips(
    evidence: Evidence,
    number: int,
    condition: Condition,
    level: float,
    judge: Callable[[Evidence], Verdict],
) -> tuple[Flip | None, Flip | None]:
    """Return where the verdict flips if the margin of one condition shrinks, and if it grows.

    ``number`` is that of ``condition`` in ``evidence``, ``level`` the one at which the claim is
    tested, ``judge`` returns the verdict on evidence at that level. None where no margin, or for
    two bounds no positive one, changes the verdict. All else stays as it is.
    """
    marks = _marks(evidence.part(number), condition, level)
    if not len(marks):  # All values lie in the middle of two bounds.
        return None, None
    ends = (marks[:1] / 2 if _has_two_bounds(condition) else marks[:1] - 1, marks[-1:] + 1)
    between = np.concatenate([ends[0], (marks[1:] + marks[:-1]) / 2, ends[1]])

    def verdict(margin: float) -> Verdict:
        changed = condition.with_margin(margin)
        return judge(evidence.with_bounds(number, changed.low, changed.high))

    current = verdict(condition.margin)
    place = int(np.searchsorted(marks, condition.margin))
    below, above = None, None
    for step in range(place, -1, -1):
        if (found := verdict(between[step])) != current:
            below = Flip(float(marks[step]), found)
            break
    for step in range(place + 1, len(between)):
        if (found := verdict(between[step])) != current:
            above = Flip(float(marks[step - 1]), found)
            break
    return below, above


def _has_two_bounds(condition: Condition) -> bool:
    return bool(np.isfinite([condition.low, condition.high]).all())


def _marks(part: Evidence, condition: Condition, level: float) -> npt.NDArray[np.float64]:
    """Return all margins at which anything changes: ends of intervals, and values of seeds."""
    levels = {level, level / part.tests, level / int(part.chances().max())}
    ends = [end for of in sorted(levels) for end in part.interval(of)]
    marks = np.concatenate([part.values.ravel(), *ends])
    if _has_two_bounds(condition):
        marks = np.abs(marks - (condition.low + condition.high) / 2)
        marks = marks[marks > 0]
    return np.unique(marks)


@dataclass(frozen=True)
class Needed:
    """With how many seeds an undecided claim would be decided, if what was found were the truth.

    ``leans`` is the verdict to expect; ``half`` and ``most`` are numbers of seeds at which it comes
    out with a probability of 50% and 80%, None for more than inference.MOST_SEEDS. Where
    ``obstacle`` is given, no number of seeds decides: the single seeds, or the report's number,
    speak against the verdict that the mean leans to.
    """

    leans: Decision
    half: int | None
    most: int | None
    obstacle: Literal["", "single seeds", "reported number"]


def needed(evidence: Evidence, level: float) -> Needed:
    """Estimate how many seeds decide a claim that is tested at ``level`` (two-sided).

    All comparisons have to be within bounds for one verdict, so the hardest counts; any outside
    suffices for the other, so the easiest counts. Not for claims about some comparison.
    """
    above, below = evidence.standardised()
    # Without spread a mean on a bound has no distance from it: 0 / 0.
    nearest = np.nan_to_num(np.minimum(above, below), nan=0.0)
    share = float(evidence.holds().mean())
    has_number, predicted = ~np.isnan(evidence.reported), evidence.is_predicted()
    if (nearest > 0).all():
        if share <= 0.5:
            return Needed("reproduced", None, None, "single seeds")
        if (has_number & ~predicted).any():
            return Needed("reproduced", None, None, "reported number")
        half, most = (_to_confirm(above, below, level, power) for power in POWERS)
        return Needed("reproduced", half, most, "")
    if share >= 0.5:
        return Needed("contradicted", None, None, "single seeds")
    outside = (nearest <= 0) & ~(has_number & predicted)
    if not outside.any():
        return Needed("contradicted", None, None, "reported number")
    effect = min(float(-nearest[outside].min()), LARGEST_EFFECT)
    half, most = (seeds_needed([effect], level / 2 / evidence.tests, power) for power in POWERS)
    return Needed("contradicted", half, most, "")


def _to_confirm(
    above: npt.NDArray[np.float64], below: npt.NDArray[np.float64], level: float, power: float
) -> int | None:
    """Return how many seeds show that every mean lies within its bounds."""
    numbers = []
    for distances in zip(above, below, strict=True):
        finite = [min(float(one), LARGEST_EFFECT) for one in distances if np.isfinite(one)]
        numbers.append(seeds_needed(finite or [LARGEST_EFFECT], level / 2, power))
    return None if None in numbers else max(number for number in numbers if number)
