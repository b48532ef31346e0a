"""How far a verdict depends on margins, seeds, single runs, samples of runs and other choices.

Choices are those of analyses that could have been made as well: every combination of them is an
analysis of all claims as one family (Steegen et al., Increasing transparency through a multiverse
analysis, Perspect. Psychol. Sci. 11, 2016).
"""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
import numpy.typing as npt
import pandas as pd

from fashionbench.analysis.results import Results
from fashionbench.analysis.statistics import (
    ALPHA,
    DIGITS,
    Array,
    Effects,
    Flags,
    holm,
    rounded,
    seeds_needed,
)
from fashionbench.claims.language import DeclaredCondition, Verdict
from fashionbench.claims.quantities import Comparison, Condition, load_claims
from fashionbench.claims.rule import Evidence, Examined, examine
from fashionbench.claims.verdicts import ArmRecord, Flip, Needed

LARGEST_EFFECT = 20.0
"""In standard deviations; beyond, three seeds suffice, and the power loses its precision."""
ASSURANCES = (0.5, 0.8)


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
    ends = (marks[:1] / 2 if condition.has_two_bounds else marks[:1] - 1, marks[-1:] + 1)
    between = np.concatenate([ends[0], (marks[1:] + marks[:-1]) / 2, ends[1]])

    def verdict(margin: float) -> Verdict:
        changed = condition.with_margin(margin)
        return judge(evidence.with_bounds(number, changed.low, changed.high))

    current = verdict(condition.margin)

    def first(steps: Iterable[int], mark: int) -> Flip | None:
        """Return the flip at the first step with another verdict, ``mark`` places from it."""
        found = ((step, verdict(between[step])) for step in steps)
        return next(
            (
                Flip(margin=rounded(float(marks[step + mark])), verdict=other)
                for step, other in found
                if other != current
            ),
            None,
        )

    place = int(np.searchsorted(marks, condition.margin))
    return first(range(place, -1, -1), 0), first(range(place + 1, len(between)), -1)


def _marks(part: Evidence, condition: Condition, level: float) -> npt.NDArray[np.float64]:
    """Return all margins at which anything changes: ends of intervals, and values of seeds."""
    levels = {level, level / part.tests, level / int(part.chances().max())}
    ends = [end for of in sorted(levels) for end in part.effects.interval(of)]
    marks = np.concatenate([part.values.ravel(), *ends])
    if condition.has_two_bounds:
        marks = np.abs(marks - (condition.low + condition.high) / 2)
        marks = marks[marks > 0]
    return np.unique(marks)


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
            return Needed(leans="reproduced", obstacle="single seeds")
        if (has_number & ~predicted).any():
            return Needed(leans="reproduced", obstacle="reported number")
        half, most = (_to_confirm(evidence, level, wanted) for wanted in ASSURANCES)
        return Needed(leans="reproduced", half=half, most=most)
    if share >= 0.5:
        return Needed(leans="contradicted", obstacle="single seeds")
    outside = (nearest <= 0) & ~(has_number & predicted)
    if not outside.any():
        return Needed(leans="contradicted", obstacle="reported number")
    effect = min(float(-nearest[outside].min()), LARGEST_EFFECT)
    of_each = level / 2 / evidence.tests
    half, most = (seeds_needed([effect], evidence.n, of_each, wanted) for wanted in ASSURANCES)
    return Needed(leans="contradicted", half=half, most=most)


def _to_confirm(evidence: Evidence, level: float, wanted: float) -> int | None:
    """Return how many seeds show that every mean lies within its bounds."""
    numbers = []
    for distances in zip(*evidence.standardised(), strict=True):
        finite = [min(float(one), LARGEST_EFFECT) for one in distances if np.isfinite(one)]
        numbers.append(seeds_needed(finite or [LARGEST_EFFECT], evidence.n, level / 2, wanted))
    return None if None in numbers else max(number for number in numbers if number)


def share_of_pairs(judged: Sequence[tuple[Condition, Comparison]]) -> float | None:
    """Return in which share of all combinations of runs all comparisons lie within their bounds.

    A combination takes one run of every network, whatever their seeds: n runs of each of two
    networks make n² pairs. With more networks, one of them must take part in every comparison of
    two (as in "N5 beats each"): given its run, the others are independent. Else None, as without
    any comparison and for conditions about some of them.
    """
    if not judged or any(condition.some for condition, _ in judged):
        return None
    pairs = [set(one.networks) for _, one in judged if one.second is not None]
    common = set.intersection(*pairs) if pairs else {judged[0][1].networks[0]}
    if not common:
        return None
    centre = min(common)
    # Of each other network, (runs of the centre or 1, its runs); of the centre, (its runs, 1).
    inside: dict[str, Flags] = {}
    for condition, comparison in judged:
        values = comparison.first.to_numpy(dtype=np.float64)[:, np.newaxis]
        if comparison.second is not None:
            values = values - comparison.second.to_numpy(dtype=np.float64)
        elif comparison.published is not None:
            values = values - float(comparison.published.mean)
        values = values.round(DIGITS)
        holds = (condition.low < values) & (values < condition.high)
        if comparison.networks[0] != centre:
            holds = holds.T
        other = next((name for name in comparison.networks if name != centre), centre)
        inside[other] = inside.get(other, np.True_) & holds
    shares = [inside[name].mean(axis=1) for name in sorted(inside, key=lambda one: one != centre)]
    return rounded(float(np.mean(math.prod(shares[1:], start=shares[0]))))


FEWER = 5
"""The runs that are drawn of a network that has fewer than others, such as N8."""
FEW = 5
SAMPLES = 2000


def resample(evidence: Evidence, comparisons: Sequence[Comparison], drawn: Array) -> Evidence:
    """Return the evidence of many samples of runs, drawn with replacement.

    ``comparisons`` are those of ``evidence``. ``drawn`` is (samples, n), places from 0 to 1: the
    same seeds for all networks, but of those with fewer runs FEWER of them.
    """
    effects, columns = zip(*(_sample(one, drawn) for one in comparisons), strict=True)
    n = min(len(column.T) for column in columns)
    values = np.stack([column[:, :n] for column in columns], axis=-1)
    return replace(evidence, effects=Effects.joined(effects), values=values)


def misled_fives(
    evidence: Evidence, comparisons: Sequence[Comparison], level: float, verdict: str
) -> float:
    """Return in which share of samples of FEW runs the verdict at a level is the opposite one."""
    drawn = np.random.default_rng(0).uniform(size=(SAMPLES, FEW))
    found = resample(evidence, comparisons, drawn).decisions(level)
    opposite = "reproduced" if verdict == "contradicted" else "contradicted"
    return float(np.mean(found == opposite))


def _sample(comparison: Comparison, drawn: Array) -> tuple[Effects, Array]:
    """Return the effect, (samples,), and the values in common seeds, (samples, n)."""
    series = [one for one in (comparison.first, comparison.second) if one is not None]
    most = max(map(len, series))
    runs = [
        _draw(runs, lost, drawn if len(runs) == most else drawn[:, :FEWER])
        for runs, lost in zip(series, comparison.lost or [frozenset()] * len(series), strict=True)
    ]
    n = min(len(values.T) for values, _ in runs)
    values: Array = runs[0][0][:, :n] - (runs[1][0][:, :n] if len(runs) > 1 else 0)
    if comparison.published:
        values = values - comparison.published.mean
        own = Effects.of_runs(runs[0][0], runs[0][1])
        return own.minus(comparison.published), values
    if comparison.is_paired:
        return Effects.of_runs(values, np.all([kept for _, kept in runs], axis=0)), values
    one, other = (Effects.of_runs(*each) for each in runs)
    return one.minus(other), values


def _draw(runs: "pd.Series[float]", lost: frozenset[int], drawn: Array) -> tuple[Array, Flags]:
    """Return values, and which are kept: where the minority lost a class, those that did not."""
    places: npt.NDArray[np.int64] = (drawn * len(runs)).astype(np.int64)
    has_lost = runs.index.isin(list(lost))[places]
    is_minority = 2 * has_lost.sum(axis=1, keepdims=True) < drawn.shape[1]
    values: Array = np.asarray(runs, dtype=np.float64)[places]
    return values, np.asarray(~(has_lost & is_minority), dtype=np.bool_)


SCORES: Mapping[str, dict[str, object]] = {
    "final": {"value": "accuracy", "over": None},
    "best": {"value": "highest", "over": None},
    "plateau": {"value": "plateau", "over": 10},
}
"""What the accuracy of a network may be: after the last epoch, in its best, over the last ten."""
_MARGINS = {"half": 0.5, "whole": 1.0, "double": 2.0}
CHOICES: Mapping[str, tuple[str, ...]] = {
    "score": tuple(SCORES),
    "images": ("validation", "test"),
    "runs": ("no class lost", "all runs"),
    "test": ("pairs", "Welch"),
    "margin": tuple(_MARGINS),
    "sides": ("two-sided", "one-sided"),
    "family": ("Holm", "uncorrected"),
}
ALL = "every analysis"


def with_multiverse(arm: ArmRecord, results: Results) -> ArmRecord:
    """Return the verdicts on the report's claims, each with the counts of the analyses."""
    verdicts = {record.claim: record.verdict for record in arm.claims}
    found: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for options, number, verdict in _analyses(results, verdicts):
        for option in (ALL, *options):
            found[number][option].append(verdict == verdicts[number])
    counts = {
        number: {option: (sum(same), len(same)) for option, same in by_option.items()}
        for number, by_option in found.items()
    }
    claims = tuple(
        record.model_copy(update={"multiverse": counts.get(record.claim, {})})
        for record in arm.claims
    )
    return arm.model_copy(update={"claims": claims})


def _analyses(
    results: Results, numbers: Collection[str]
) -> Iterator[tuple[list[str], str, Verdict]]:
    """Yield the options of an analysis, and the number of a claim with the verdict by these."""
    for score, images in product(CHOICES["score"], CHOICES["images"]):
        if images == "test" and score != "final":
            continue  # Test images are scored after the last epoch alone.
        change = partial(_with_score, score)
        scored = results.on("test" if images == "test" else "val")
        claims = [claim for claim in load_claims(change=change) if claim.number in numbers]
        tested = [one for claim in claims for one in [examine(claim, scored)] if one.is_judged]
        for runs, test in product(CHOICES["runs"], CHOICES["test"]):
            evidence = [
                Evidence.of(
                    one.claim.conditions,
                    one.found,
                    results.images,
                    in_pairs=test == "pairs",
                    with_lost=runs == "all runs",
                )
                for one in tested
            ]
            for options, number, verdict in _decide(tested, evidence):
                yield [score, images, runs, test, *options], number, verdict


def _with_score(score: str, condition: DeclaredCondition) -> DeclaredCondition:
    is_accuracy = condition.value in [one["value"] for one in SCORES.values()]
    is_free = is_accuracy and condition.split is None
    return condition.model_copy(update=SCORES[score]) if is_free else condition


def _decide(
    tested: Sequence[Examined], evidence: Sequence[Evidence]
) -> Iterator[tuple[list[str], str, Verdict]]:
    corrections = [*product(CHOICES["sides"], CHOICES["family"])]
    for margin, factor in _MARGINS.items():
        family = [_widened(*one, factor) for one in zip(tested, evidence, strict=True)]
        p_values = np.array([float(one.p()) for one in family])
        uncorrected = np.full(len(family), ALPHA)
        # At a one-sided level p-values are half of what they are, and the two-sided level is twice.
        levels = [holm(p_values)[1], uncorrected, 2 * holm(p_values / 2)[1], 2 * uncorrected]
        for one, of, of_claim in zip(tested, family, np.transpose(levels), strict=True):
            verdicts = one.verdicts(of, of_claim)
            for (sides, correction), verdict in zip(corrections, verdicts, strict=True):
                yield [margin, sides, correction], one.claim.number, verdict


def _widened(examined: Examined, evidence: Evidence, factor: float) -> Evidence:
    for number, condition in enumerate(examined.claim.conditions):
        wider = condition.with_margin(factor * condition.margin)
        evidence = evidence.with_bounds(number, wider.low, wider.high)
    return evidence
