"""Judges the report's claims by the results of all replicates of an arm.

The rule is that of :mod:`fashionbench.claims.rule`. All claims of an arm are one family of
tests, corrected by Holm's procedure. Two more verdicts come without a test: *vacuous* for a claim
that is reproduced, but of the weights of a network that learned nothing, and *not applicable* for
one that compares with a number on the scale of another loss.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Literal

import numpy as np

from fashionbench.analysis.intervals import exact_interval
from fashionbench.analysis.pairs import crossed_interval
from fashionbench.analysis.results import Correct, Results
from fashionbench.analysis.statistics import CONFIDENCE, rounded
from fashionbench.claims.effects import Effects
from fashionbench.claims.quantities import Claim, Comparison
from fashionbench.claims.resampling import FEW, misled_fives
from fashionbench.claims.rule import Evidence, Examined, Judged, examine, judge_family
from fashionbench.claims.sensitivity import Flip, flips, needed, share_of_pairs
from fashionbench.claims.verdicts import (
    ArmRecord,
    ConditionRecord,
    CrossedRecord,
    Ends,
    FlipRecord,
    NeededRecord,
    OnTestRecord,
    OtherRecord,
    VerdictRecord,
)


def judge(claims: Sequence[Claim], results: Results) -> ArmRecord:
    """Judge all claims as one family, on the validation images and again on the test images."""
    own = [examine(claim, results.on("val")) for claim in claims]
    test = [examine(claim, results.on("test")) for claim in claims]
    # What cannot be judged on test images stays in the family as it is, so that only images differ.
    family = [there if there.evidence else here for here, there in zip(own, test, strict=True)]
    on_test = [
        Judged(there, judged.adjusted if there.evidence else None)
        for there, judged in zip(test, judge_family(family), strict=True)
    ]
    names = list(results.scores)
    lost = {name: int(results.lost_a_class(name).sum()) for name in names}
    return ArmRecord(
        seeds=max(table["seed"].nunique() for table in results.scores.values()),
        runs={name: table["seed"].nunique() for name, table in results.scores.items()},
        lost_class={name: count for name, count in lost.items() if count},
        collapsed=tuple(name for name in names if results.learned_nothing(name)),
        claims=tuple(
            _record(here, there, results)
            for here, there in zip(judge_family(own), on_test, strict=True)
        ),
    )


def _record(judged: Judged, on_test: Judged, results: Results) -> VerdictRecord:
    examined, adjusted = judged.examined, judged.adjusted
    claim, evidence, verdict = examined.claim, examined.evidence, judged.verdict
    n, holds = (evidence.n, int(evidence.holds().sum())) if evidence else (0, 0)
    is_open = verdict == "inconclusive" and evidence and adjusted and not evidence.some.any()
    return VerdictRecord(
        claim=claim.number,
        words=claim.words,
        quote=claim.quote,
        why=claim.why,
        verdict=verdict,
        remark=_remark(judged, results),
        n=n,
        holds=holds,
        holds_interval=ends(*exact_interval(holds, n)) if n else None,
        pairs=_pairs(examined),
        p=rounded(float(evidence.p())) if evidence and adjusted else None,
        p_adjusted=rounded(adjusted.p) if adjusted else None,
        level=rounded(adjusted.level) if adjusted else None,
        on_test=on_test.verdict if on_test.examined.evidence else None,
        needed=_needed(evidence, adjusted.level) if is_open and evidence and adjusted else None,
        fives=_fives(judged),
        conditions=condition_records(judged, on_test, results),
    )


def _fives(judged: Judged) -> float | None:
    evidence, adjusted = judged.examined.evidence, judged.adjusted
    is_decided = judged.verdict in ("reproduced", "vacuous", "contradicted")
    if evidence is None or adjusted is None or not is_decided or evidence.n <= FEW:
        return None
    comparisons = [*chain(*judged.examined.found)]
    return rounded(misled_fives(evidence, comparisons, adjusted.level, judged.verdict))


def _remark(judged: Judged, results: Results) -> str:
    examined, evidence, adjusted = judged.examined, judged.examined.evidence, judged.adjusted
    if judged.verdict == "vacuous":
        return _vacuity(examined.claim, results)
    if judged.verdict != "mixed" or evidence is None or adjusted is None:
        return examined.remark
    is_within, holds = evidence.within(adjusted.level), int(evidence.holds().sum())
    where = "all means lie within" if is_within else "a mean lies outside"
    answers = [
        f"{where} the claimed bounds",
        f"the sentence holds in {holds} of {evidence.n} single seeds",
    ]
    if not np.isnan(evidence.reported).all():
        has = "can" if evidence.is_predicted()[~np.isnan(evidence.reported)].all() else "cannot"
        answers.append(f"the report's number {has} come from such a run")
    return f"the answers disagree: {', '.join(answers)}"


def _vacuity(claim: Claim, results: Results) -> str:
    names = [name for name in claim.about if results.learned_nothing(name)]
    return f"true, but {' and '.join(names)} learned nothing"


def _pairs(examined: Examined) -> float | None:
    judged = [
        (condition, comparison)
        for condition, found in zip(examined.claim.conditions, examined.found, strict=False)
        for comparison in found
    ]
    if any(condition.some for condition, _ in judged):
        return None
    share = share_of_pairs(judged) if judged else None
    return None if share is None else rounded(share)


def _needed(evidence: Evidence, level: float) -> NeededRecord:
    found = needed(evidence, level)
    return NeededRecord(
        leans=found.leans, half=found.half, most=found.most, obstacle=found.obstacle
    )


def ends(low: float, high: float) -> Ends | None:
    """Return rounded ends of an interval; None where they are not defined."""
    return (rounded(low), rounded(high)) if math.isfinite(low) and math.isfinite(high) else None


def condition_records(
    judged: Judged, on_test: Judged, results: Results
) -> tuple[ConditionRecord, ...]:
    """Describe the conditions of a claim, each by the comparison that speaks least for the claim.

    ``on_test`` is the same claim judged on the test images.
    """
    return tuple(
        _condition_record(judged, number, results, _on_test(judged, on_test, number))
        for number in range(len(judged.examined.found))
    )


def _condition_record(
    judged: Judged,
    number: int,
    results: Results,
    on_test: OnTestRecord | None,
) -> ConditionRecord:
    condition = judged.examined.claim.conditions[number]
    found = judged.examined.found[number]
    comparison = _weakest(judged, number)
    values, effect, adjusted = comparison.values, comparison.effect(), judged.adjusted
    runs, lost = _count_runs(comparison)
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
        mean=rounded(float(effect.mean)),
        interval=_interval(effect),
        adjusted=_interval(effect, adjusted.level) if adjusted else None,
        runs=runs,
        predicted=_predicted(judged, number),
        holds=_holds(judged, number),
        lost=lost,
        others=tuple(_others(comparison)),
        crossed=_crossed(comparison, results.correct.get("val", {})),
        below=below,
        above=above,
        on_test=on_test,
        verdict=judged.verdict_on(number),
    )


def _weakest(judged: Judged, number: int) -> Comparison:
    """Return the comparison by which a condition stands or falls."""
    evidence = judged.examined.evidence
    assert evidence is not None, "a claim with comparisons has evidence"
    part = evidence.part(number)
    return judged.examined.found[number][part.weakest() if part.n > 1 else 0]


def _interval(effect: Effects, level: float = 1 - CONFIDENCE) -> Ends | None:
    low, high = effect.interval(level)
    return ends(float(low), float(high))


def _count_runs(comparison: Comparison) -> tuple[tuple[int, ...], int]:
    """Return the numbers of runs that an effect is a mean over, and how many are set aside."""
    if comparison.is_paired:
        seeds = set(comparison.values.index)
        lost = frozenset[int]().union(*comparison.lost) & seeds
        return (len(seeds - lost),), len(lost)
    assert comparison.second is not None, "a single network has the seeds that it has"
    lengths = (len(comparison.first), len(comparison.second))
    lost_of = [len(lost) for lost in comparison.lost]
    return tuple(n - lost for n, lost in zip(lengths, lost_of, strict=True)), sum(lost_of)


def _others(comparison: Comparison) -> Iterator[OtherRecord]:
    """Yield the effects that do not decide: over all runs, and in the seeds that both have."""
    found: dict[Literal["all runs", "pairs"], Effects] = {}
    if any(comparison.lost):
        found["all runs"] = comparison.effect(with_lost=True)
    if not comparison.is_paired:
        found["pairs"] = comparison.effect(in_pairs=True)
    for name, effect in found.items():
        yield OtherRecord(name=name, mean=rounded(float(effect.mean)), interval=_interval(effect))


def _predicted(judged: Judged, number: int) -> Ends | None:
    evidence = judged.examined.evidence
    if evidence is None or evidence.n < 2:
        return None
    part = evidence.part(number)
    low, high = (end[part.weakest()] for end in part.predicted())
    return ends(float(low), float(high))


def _holds(judged: Judged, number: int) -> int:
    evidence = judged.examined.evidence
    return int(evidence.part(number).holds().sum()) if evidence else 0


def _on_test(judged: Judged, on_test: Judged, number: int) -> OnTestRecord | None:
    if on_test.examined.evidence is None:
        return None
    comparison = _weakest(on_test, number)
    own = judged.examined.found[number]
    if any(one.name == comparison.name and one.values.equals(comparison.values) for one in own):
        return None
    found = comparison.effect()
    return OnTestRecord(
        mean=rounded(float(found.mean)),
        interval=_interval(found),
        verdict=on_test.verdict_on(number),
    )


def _crossed(comparison: Comparison, correct: Correct) -> CrossedRecord | None:
    if not comparison.of_images:
        return None
    kept = {
        name: {seed: right for seed, right in correct[name].items() if seed not in lost}
        for name, lost in zip(comparison.networks, comparison.lost, strict=True)
        if name in correct
    }
    found = crossed_interval(kept, *comparison.networks)
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
