"""Judges the report's claims by the results of all replicates of an arm.

The rule is that of :mod:`fashionbench.claims.rule`. All claims of an arm are one family of
tests, corrected by Holm's procedure. Two more verdicts come without a test: *vacuous* for a claim
that is reproduced, but of the weights of a network that learned nothing, and *not applicable* for
one that compares with a number on the scale of another loss, or is about a network that was not
run.
"""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Literal

import numpy as np

from fashionbench.analysis.pairs import crossed_interval
from fashionbench.analysis.results import Correct, Results
from fashionbench.analysis.statistics import ALPHA, Effects, exact_interval, rounded
from fashionbench.claims.quantities import Claim, Comparison
from fashionbench.claims.rule import Judged, examine, judge_family
from fashionbench.claims.sensitivity import FEW, flips, misled_fives, needed, share_of_pairs
from fashionbench.claims.verdicts import (
    DECIDED,
    ArmRecord,
    ConditionRecord,
    CrossedRecord,
    Ends,
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
    examined, adjusted, verdict = judged.examined, judged.adjusted, judged.verdict
    claim, evidence = examined.claim, examined.evidence
    n, holds = (evidence.n, int(evidence.holds().sum())) if evidence else (0, 0)
    record = VerdictRecord(
        claim=claim.number,
        words=claim.words,
        quote=claim.quote,
        why=claim.why,
        verdict=verdict,
        remark=_remark(judged, results),
        n=n,
        holds=holds,
        holds_interval=ends(*exact_interval(holds, n)) if n else None,
        pairs=share_of_pairs(list(examined.comparisons)),
        on_test=on_test.verdict if on_test.examined.evidence else None,
        conditions=tuple(
            _condition_record(judged, on_test, number, results)
            for number in range(len(examined.found))
        ),
    )
    if evidence is None or adjusted is None:
        return record
    told: dict[str, object] = {
        "p": rounded(float(evidence.p())),
        "p_adjusted": rounded(adjusted.p),
        "level": rounded(adjusted.level),
    }
    if verdict == "inconclusive" and not evidence.some.any():
        told["needed"] = needed(evidence, adjusted.level)
    if verdict in DECIDED and n > FEW:
        comparisons = [*chain(*examined.found)]
        told["fives"] = rounded(misled_fives(evidence, comparisons, adjusted.level, verdict))
    return record.model_copy(update=told)


def _remark(judged: Judged, results: Results) -> str:
    examined, evidence, adjusted = judged.examined, judged.examined.evidence, judged.adjusted
    if judged.verdict == "vacuous":
        names = [name for name in examined.claim.about if results.learned_nothing(name)]
        return f"true, but {' and '.join(names)} learned nothing"
    if judged.verdict != "mixed" or evidence is None or adjusted is None:
        return examined.remark
    is_within, holds = evidence.within(adjusted.level), int(evidence.holds().sum())
    where = "all means lie within" if is_within else "a mean lies outside"
    answers = [
        f"{where} the claimed bounds",
        f"the sentence holds in {holds} of {evidence.n} single seeds",
    ]
    has_number = ~np.isnan(evidence.reported)
    if has_number.any():
        has = "can" if evidence.is_predicted()[has_number].all() else "cannot"
        answers.append(f"the report's number {has} come from such a run")
    return f"the answers disagree: {', '.join(answers)}"


def ends(low: float, high: float) -> Ends | None:
    """Return rounded ends of an interval; None where they are not defined."""
    return (rounded(low), rounded(high)) if math.isfinite(low) and math.isfinite(high) else None


def _interval(effect: Effects, level: float = ALPHA) -> Ends | None:
    low, high = effect.interval(level)
    return ends(float(low), float(high))


def _condition_record(
    judged: Judged, on_test: Judged, number: int, results: Results
) -> ConditionRecord:
    """Describe a condition by the comparison with which it stands or falls."""
    examined, adjusted = judged.examined, judged.adjusted
    evidence, condition = examined.evidence, examined.claim.conditions[number]
    assert evidence is not None, "a claim with comparisons has evidence"
    part = evidence.part(number)
    comparison = examined.found[number][part.weakest()]
    effect = comparison.effect()
    below = above = predicted = None
    if adjusted:
        level = adjusted.level
        judge_at = partial(examined.verdict, level=level)
        below, above = flips(evidence, number, condition, level, judge_at)
    if part.n > 1:
        low, high = part.effects.predicted(part.images)
        predicted = ends(float(low[part.weakest()]), float(high[part.weakest()]))
    runs, lost = _count_runs(comparison)
    return ConditionRecord(
        quantity=condition.quantity,
        unit=condition.unit,
        low=rounded(condition.low) if math.isfinite(condition.low) else None,
        high=rounded(condition.high) if math.isfinite(condition.high) else None,
        margin=rounded(condition.margin),
        reported=condition.reported,
        comparison=comparison.name,
        comparisons=len(examined.found[number]),
        some=condition.some,
        values=tuple(rounded(value) for value in comparison.values),
        mean=rounded(float(effect.mean)),
        interval=_interval(effect),
        adjusted=_interval(effect, adjusted.level) if adjusted else None,
        runs=runs,
        predicted=predicted,
        holds=int(part.holds().sum()),
        lost=lost,
        others=tuple(_others(comparison)),
        crossed=_crossed(comparison, results.correct.get("val", {})),
        below=below,
        above=above,
        on_test=_on_test(examined.found[number], on_test, number),
        verdict=judged.verdict_on(number),
    )


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


def _on_test(own: Sequence[Comparison], on_test: Judged, number: int) -> OnTestRecord | None:
    """Describe the condition on the test images; None where these are the same, or not scored."""
    evidence = on_test.examined.evidence
    if evidence is None:
        return None
    comparison = on_test.examined.found[number][evidence.part(number).weakest()]
    if any(one.name == comparison.name and one.values.equals(comparison.values) for one in own):
        return None
    effect = comparison.effect()
    return OnTestRecord(
        mean=rounded(float(effect.mean)),
        interval=_interval(effect),
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
