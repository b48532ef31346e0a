"""Verdicts as typed records, and the file that holds them."""

import math
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict, TypeAdapter

from fashionbench.analysis.files import CLAIMS_FILE
from fashionbench.analysis.result_files import parse_result, read_result
from fashionbench.analysis.verdicts import Finding, Judgement, Unit, Verdict


class ConditionRecord(BaseModel):
    """A condition and its finding.

    ``effect`` is the mean over ``n`` seeds with the interval from ``effect_low`` to
    ``effect_high``, which are None for a single seed. ``low`` and ``high`` are the claimed bounds,
    None where there is none. ``lowest`` and ``highest`` are values of single seeds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    quantity: str
    unit: Unit
    low: float | None
    high: float | None
    effect: float
    effect_low: float | None
    effect_high: float | None
    lowest: float
    highest: float
    n: int
    verdict: Verdict


class VerdictRecord(BaseModel):
    """A claim, its verdict and the findings on its conditions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    claim: int
    words: str
    why: str
    verdict: Verdict
    remark: str
    conditions: tuple[ConditionRecord, ...]


VerdictsByArm = dict[str, tuple[VerdictRecord, ...]]
"""The verdicts on all claims, keyed by the value of loss_input of the arm they are about."""
_BY_ARM = TypeAdapter(VerdictsByArm)


def to_records(judgements: Iterable[Judgement]) -> tuple[VerdictRecord, ...]:
    """Convert judgements, with numbers rounded to six decimals."""
    return tuple(
        VerdictRecord(
            claim=judgement.claim.number,
            words=judgement.claim.words,
            why=judgement.claim.why,
            verdict=judgement.verdict,
            remark=judgement.remark,
            conditions=tuple(_condition_record(finding) for finding in judgement.findings),
        )
        for judgement in judgements
    )


def _condition_record(finding: Finding) -> ConditionRecord:
    condition, found = finding.condition, finding.estimate
    return ConditionRecord(
        quantity=condition.quantity,
        unit=condition.unit,
        low=_finite(condition.low),
        high=_finite(condition.high),
        effect=round(found.mean, 6),
        effect_low=_finite(found.low),
        effect_high=_finite(found.high),
        lowest=round(finding.lowest, 6),
        highest=round(finding.highest, 6),
        n=found.n,
        verdict=finding.verdict,
    )


def _finite(value: float) -> float | None:
    # JSON has neither infinity nor nan.
    return round(value, 6) if math.isfinite(value) else None


def count_verdicts(records: Sequence[VerdictRecord]) -> dict[Verdict, int]:
    """Count the claims with each verdict."""
    verdicts: tuple[Verdict, ...] = ("reproduced", "contradicted", "inconclusive")
    return {verdict: sum(record.verdict == verdict for record in records) for verdict in verdicts}


def write_verdicts(arms: VerdictsByArm) -> None:
    """Write claims.json."""
    CLAIMS_FILE.write_bytes(_BY_ARM.dump_json(arms, indent=1) + b"\n")


def read_verdicts(rev: str | None = None) -> VerdictsByArm:
    """Read claims.json of the workspace or of ``rev``.

    ``rev`` is a commit, a branch or an experiment. Raises DataError if it is missing or invalid.
    """
    return parse_result(_BY_ARM, read_result(CLAIMS_FILE, rev), CLAIMS_FILE)
