"""Judges the report's claims by the results of all replicates of an arm.

The rule is that of :mod:`fashionbench.analysis.evidence`. All claims of an arm are one family of
tests, corrected by Holm's procedure. Two more verdicts come without a test: *vacuous* for a claim
that is reproduced, but of the weights of a network that learned nothing, and *not applicable* for
one that compares with a number on the scale of another loss.
"""

from collections.abc import Sequence

from fashionbench.analysis.condition_records import condition_records, ends
from fashionbench.analysis.conditions import Claim, rounded
from fashionbench.analysis.crossed import CrossedBootstrap, crossed_bootstrap
from fashionbench.analysis.evidence import Evidence
from fashionbench.analysis.examined import Examined, Judged, examine, judge_family
from fashionbench.analysis.inference import exact_interval
from fashionbench.analysis.results import Results
from fashionbench.analysis.sensitivity import needed
from fashionbench.analysis.single_runs import share_of_pairs
from fashionbench.analysis.verdict_records import ArmRecord, NeededRecord, VerdictRecord


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
    bootstrap = crossed_bootstrap(results.correct.get("val", {}))
    names = list(results.scores)
    lost = {name: int(results.lost_a_class(name).sum()) for name in names}
    return ArmRecord(
        seeds=max(table["seed"].nunique() for table in results.scores.values()),
        lost_class={name: count for name, count in lost.items() if count},
        collapsed=tuple(name for name in names if results.learned_nothing(name)),
        claims=tuple(
            _record(here, there, results, bootstrap)
            for here, there in zip(judge_family(own), on_test, strict=True)
        ),
    )


def _record(
    judged: Judged, on_test: Judged, results: Results, bootstrap: CrossedBootstrap | None
) -> VerdictRecord:
    examined, adjusted = judged.examined, judged.adjusted
    claim, evidence, verdict = examined.claim, examined.evidence, judged.verdict
    n, holds = (evidence.n, int(evidence.holds().sum())) if evidence else (0, 0)
    is_open = verdict == "inconclusive" and evidence and adjusted and not evidence.some.any()
    return VerdictRecord(
        claim=claim.number,
        words=claim.words,
        why=claim.why,
        verdict=verdict,
        remark=_vacuity(claim, results) if verdict == "vacuous" else examined.remark,
        n=n,
        holds=holds,
        holds_interval=ends(*exact_interval(holds, n)) if n else None,
        pairs=_pairs(examined),
        p=rounded(evidence.p()) if evidence and adjusted else None,
        p_adjusted=rounded(adjusted.p) if adjusted else None,
        level=rounded(adjusted.level) if adjusted else None,
        on_test=on_test.verdict if on_test.examined.evidence else None,
        needed=_needed(evidence, adjusted.level) if is_open and evidence and adjusted else None,
        conditions=condition_records(judged, on_test, results, bootstrap),
    )


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
