"""How far a verdict depends on margins, seeds and single runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from fashionbench.analysis.intervals import seeds_needed
from fashionbench.analysis.statistics import DIGITS
from fashionbench.claims.language import Verdict
from fashionbench.claims.quantities import Comparison, Condition
from fashionbench.claims.rule import Decision, Evidence

LARGEST_EFFECT = 20.0
"""In standard deviations; beyond, three seeds suffice, and the power loses its precision."""
ASSURANCES = (0.5, 0.8)


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
    ends = [end for of in sorted(levels) for end in part.effects.interval(of)]
    marks = np.concatenate([part.values.ravel(), *ends])
    if _has_two_bounds(condition):
        marks = np.abs(marks - (condition.low + condition.high) / 2)
        marks = marks[marks > 0]
    return np.unique(marks)


@dataclass(frozen=True)
class Needed:
    """With how many new seeds an undecided claim would be decided, judging by those that there are.

    ``leans`` is the verdict to expect; ``half`` and ``most`` are numbers of seeds at which it comes
    out with an assurance of 50% and 80%, None for more than inference.MOST_SEEDS. Where
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
        half, most = (_to_confirm(evidence, level, wanted) for wanted in ASSURANCES)
        return Needed("reproduced", half, most, "")
    if share >= 0.5:
        return Needed("contradicted", None, None, "single seeds")
    outside = (nearest <= 0) & ~(has_number & predicted)
    if not outside.any():
        return Needed("contradicted", None, None, "reported number")
    effect = min(float(-nearest[outside].min()), LARGEST_EFFECT)
    of_each = level / 2 / evidence.tests
    half, most = (seeds_needed([effect], evidence.n, of_each, wanted) for wanted in ASSURANCES)
    return Needed("contradicted", half, most, "")


def _to_confirm(evidence: Evidence, level: float, wanted: float) -> int | None:
    """Return how many seeds show that every mean lies within its bounds."""
    numbers = []
    for distances in zip(*evidence.standardised(), strict=True):
        finite = [min(float(one), LARGEST_EFFECT) for one in distances if np.isfinite(one)]
        numbers.append(seeds_needed(finite or [LARGEST_EFFECT], evidence.n, level / 2, wanted))
    return None if None in numbers else max(number for number in numbers if number)


Judged = Sequence[tuple[Condition, Comparison]]


def share_of_pairs(judged: Judged) -> float | None:
    """Return in which share of all combinations of runs all comparisons lie within their bounds.

    A combination takes one run of every network, whatever their seeds: n runs of each of two
    networks make n² pairs. With more networks, one of them must take part in every comparison of
    two (as in "N5 beats each"): given its run, the others are independent. Else None.
    """
    pairs = {comparison.networks for _, comparison in judged if comparison.second is not None}
    common = set.intersection(*map(set, pairs)) if pairs else set()
    if pairs and not common:
        return None
    centre = min(common) if common else judged[0][1].networks[0]
    of_one: dict[str, npt.NDArray[np.bool_]] = {}
    of_two: dict[str, npt.NDArray[np.bool_]] = {}
    for condition, comparison in judged:
        other = next((name for name in comparison.networks if name != centre), centre)
        inside = _inside(condition, comparison)
        if comparison.second is None:
            of_one[other] = of_one.get(other, True) & inside
        else:
            by_centre = inside if comparison.networks[0] == centre else inside.T
            of_two[other] = of_two.get(other, True) & by_centre
    return _combine(centre, of_one, of_two)


def _inside(condition: Condition, comparison: Comparison) -> npt.NDArray[np.bool_]:
    """Tell for each run, or each pair of a first and a second run, whether it is within bounds."""
    values = comparison.first.to_numpy(dtype=np.float64)
    if comparison.second is not None:
        values = np.subtract.outer(values, comparison.second.to_numpy(dtype=np.float64))
    values = values.round(DIGITS)
    inside: npt.NDArray[np.bool_] = (condition.low < values) & (values < condition.high)
    return inside


def _combine(
    centre: str,
    of_one: dict[str, npt.NDArray[np.bool_]],
    of_two: dict[str, npt.NDArray[np.bool_]],
) -> float:
    """Average over the runs of ``centre`` the product of the shares of the other networks."""
    share = of_one.get(centre, np.True_).astype(np.float64)
    for other in sorted((of_one.keys() | of_two.keys()) - {centre}):
        both = of_two.get(other, np.True_) & of_one.get(other, np.True_)
        share = share * both.mean(axis=-1)
    return float(np.mean(share))
