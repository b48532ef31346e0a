"""What a study gives with an interval, but without a claim."""

import math
from collections.abc import Iterator
from itertools import pairwise

import pandas as pd

from fashionbench.analysis.condition_records import ends
from fashionbench.analysis.conditions import Unit, rounded
from fashionbench.analysis.results import NotTestableError, Results
from fashionbench.analysis.statistics import estimate
from fashionbench.studies.declared import Crossing, Factor
from fashionbench.studies.design import Design
from fashionbench.studies.quantities import excess
from fashionbench.studies.records import EffectRecord


def effects_of(design: Design, results: Results) -> tuple[EffectRecord, ...]:
    """Return the effects of two switched factors, and where validation overtakes training."""
    found = [*_factorial(design, results)]
    for claim in design.study.claims:
        for condition in claim.conditions:
            if isinstance(condition, Crossing):
                found += _crossing(design, results, condition.factor)
    return tuple(found)


def _factorial(design: Design, results: Results) -> Iterator[EffectRecord]:
    """Yield differences to the first point, main effects and interaction of a 2 x 2 study.

    A main effect is the mean of the differences that a factor makes with either value of the other;
    the interaction is the difference of these two differences.
    """
    factors = design.study.factors
    if not design.study.crossed or [len(values) for values in factors.values()] != [2, 2]:
        return
    (one, (off, on)), (other, (without, with_it)) = factors.items()
    corner = {
        (first, second): results.final(design.label(design.network, {one: first, other: second}))
        for first in (off, on)
        for second in (without, with_it)
    }
    base = corner[off, without]
    yield _effect(f"{one} alone", "points", corner[on, without] - base)
    yield _effect(f"{other} alone", "points", corner[off, with_it] - base)
    yield _effect("both together", "points", corner[on, with_it] - base)
    of_one = [corner[on, second] - corner[off, second] for second in (without, with_it)]
    of_other = [corner[first, with_it] - corner[first, without] for first in (off, on)]
    yield _effect(f"main effect of {one}", "points", (of_one[0] + of_one[1]) / 2)
    yield _effect(f"main effect of {other}", "points", (of_other[0] + of_other[1]) / 2)
    yield _effect("interaction", "points", of_one[1] - of_one[0])


def _crossing(design: Design, results: Results, factor: Factor) -> list[EffectRecord]:
    """Return the value from which on validation ends above train accuracy; none if it never does.

    By seed, between the last value with a lower and the first with a higher validation accuracy in
    a straight line; seeds in which the difference has the same sign everywhere are left out.
    """
    try:
        at_end = {
            float(value): excess(results, label).iloc[-1]
            for value, label in design.values(factor).items()
        }
    except NotTestableError:
        return []
    by_seed = pd.DataFrame(at_end).dropna()
    found = [_zero(row.index.to_list(), row.to_list()) for _, row in by_seed.iterrows()]
    values = [value for value in found if value is not None]
    name = f"{factor} from which on validation ends above train accuracy"
    return [_effect(name, None, pd.Series(values))] if values else []


def _zero(places: list[float], heights: list[float]) -> float | None:
    """Return where a broken line first rises through zero; None if it never does."""
    points = list(zip(places, heights, strict=True))
    for (left, low), (right, high) in pairwise(points):
        if low <= 0 < high:
            return left - low * (right - left) / (high - low)
    return None


def _effect(name: str, unit: Unit | None, values: "pd.Series[float]") -> EffectRecord:
    kept = [rounded(value) for value in values.dropna()]
    found = estimate(kept)
    interval = ends(found.low, found.high) if not math.isnan(found.low) else None
    return EffectRecord(
        name=name, unit=unit, values=tuple(kept), mean=rounded(found.mean), interval=interval
    )
