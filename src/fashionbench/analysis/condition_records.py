"""Records of single conditions, with rounded numbers."""

import math

import numpy as np

from fashionbench.analysis.conditions import Comparison, rounded
from fashionbench.analysis.crossed import CrossedBootstrap
from fashionbench.analysis.examined import Judged
from fashionbench.analysis.results import Results
from fashionbench.analysis.sensitivity import Flip, flips
from fashionbench.analysis.statistics import estimate, prediction_interval
from fashionbench.analysis.verdict_records import (
    ConditionRecord,
    CrossedRecord,
    Ends,
    FlipRecord,
    KeptRecord,
    OnTestRecord,
)


def ends(low: float, high: float) -> Ends | None:
    """Return rounded ends of an interval; None where they are not defined."""
    return (rounded(low), rounded(high)) if math.isfinite(low) and math.isfinite(high) else None


def condition_records(
    judged: Judged, on_test: Judged, results: Results, bootstrap: CrossedBootstrap | None
) -> tuple[ConditionRecord, ...]:
    """Describe the conditions of a claim, each by the comparison that speaks least for the claim.

    ``on_test`` is the same claim judged on the test images; ``bootstrap`` that of the validation
    images, None without predictions.
    """
    return tuple(
        _record(judged, number, results, bootstrap, _on_test(judged, on_test, number))
        for number in range(len(judged.examined.found))
    )


def _record(
    judged: Judged,
    number: int,
    results: Results,
    bootstrap: CrossedBootstrap | None,
    on_test: OnTestRecord | None,
) -> ConditionRecord:
    condition = judged.examined.claim.conditions[number]
    found = judged.examined.found[number]
    comparison, values = _weakest(judged, number)
    mean, adjusted = estimate(values), judged.adjusted
    deciding = estimate(values, 1 - adjusted.level) if adjusted else None
    kept, lost = _kept(comparison, results)
    below, above = _flips(judged, number)
    return ConditionRecord(
        quantity=condition.quantity,
        unit=condition.unit,
        low=_finite(condition.low),
        high=_finite(condition.high),
        margin=rounded(condition.margin),
        reported=condition.reported,
        comparison=comparison.name,
        comparisons=len(found),
        some=condition.some,
        values=tuple(rounded(value) for value in values),
        mean=rounded(mean.mean),
        interval=ends(mean.low, mean.high),
        adjusted=ends(deciding.low, deciding.high) if deciding else None,
        predicted=ends(*prediction_interval(values)),
        holds=_holds(judged, number),
        lost=lost,
        kept=kept,
        crossed=_crossed(comparison, bootstrap),
        below=below,
        above=above,
        on_test=on_test,
        verdict=judged.verdict_on(number),
    )


def _weakest(judged: Judged, number: int) -> tuple[Comparison, list[float]]:
    """Return the comparison by which a condition stands or falls, and its values."""
    evidence = judged.examined.evidence
    assert evidence is not None, "a claim with comparisons has evidence"
    part = evidence.part(number)
    shown = part.weakest() if part.n > 1 else 0
    return judged.examined.found[number][shown], part.values[:, shown].tolist()


def _holds(judged: Judged, number: int) -> int:
    evidence = judged.examined.evidence
    return int(evidence.part(number).holds().sum()) if evidence else 0


def _on_test(judged: Judged, on_test: Judged, number: int) -> OnTestRecord | None:
    if on_test.examined.evidence is None:
        return None
    comparison, values = _weakest(on_test, number)
    own = judged.examined.found[number]
    if any(one.name == comparison.name and one.values.equals(comparison.values) for one in own):
        return None
    found = estimate(values)
    return OnTestRecord(
        mean=rounded(found.mean),
        interval=ends(found.low, found.high),
        verdict=on_test.verdict_on(number),
    )


def _kept(comparison: Comparison, results: Results) -> tuple[KeptRecord | None, int]:
    """Return the effect among seeds without a lost class, and the number of the other seeds."""
    values = comparison.values
    lost = np.zeros(len(values), dtype=np.bool_)
    for name in comparison.networks:
        if name in results.scores:
            lost |= results.lost_a_class(name).reindex(values.index, fill_value=False).to_numpy()
    if not lost.any() or lost.all():
        return None, int(lost.sum())
    found = estimate(values[~lost].tolist())
    kept = KeptRecord(n=found.n, mean=rounded(found.mean), interval=ends(found.low, found.high))
    return kept, int(lost.sum())


def _crossed(comparison: Comparison, bootstrap: CrossedBootstrap | None) -> CrossedRecord | None:
    if bootstrap is None or not comparison.of_images:
        return None
    found = bootstrap.interval(*comparison.networks)
    limits = ends(found.low, found.high) if found else None
    return CrossedRecord(ends=limits, images=rounded(found.images)) if found and limits else None


def _flips(judged: Judged, number: int) -> tuple[FlipRecord | None, FlipRecord | None]:
    examined, adjusted = judged.examined, judged.adjusted
    if adjusted is None or examined.evidence is None:
        return None, None
    level = adjusted.level
    below, above = flips(
        examined.evidence,
        number,
        examined.claim.conditions[number],
        level,
        lambda evidence: examined.verdict(evidence, level),
    )
    return _flip_record(below), _flip_record(above)


def _flip_record(found: Flip | None) -> FlipRecord | None:
    return FlipRecord(margin=rounded(found.margin), verdict=found.verdict) if found else None


def _finite(value: float) -> float | None:
    # JSON has neither infinity nor nan.
    return rounded(value) if math.isfinite(value) else None
