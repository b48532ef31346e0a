"""Studies in words: effects, and their verdicts in one line."""

from typing import get_args

from fashionbench.analysis.conditions import Verdict
from fashionbench.analysis.verdict_records import ArmRecord, VerdictRecord
from fashionbench.analysis.verdict_words import conjoin, format_ends, name_claims
from fashionbench.params import LossInput
from fashionbench.studies.records import EffectRecord, StudyRecord


def describe_effect(effect: EffectRecord) -> str:
    """Format an effect and its 95% interval, such as ``0.42 points [0.11, 0.73] (5 seeds)``."""
    if effect.unit is None:
        text = f"{effect.mean:.3g}"
        ends = f"[{', '.join(f'{end:.3g}' for end in effect.interval)}]" if effect.interval else ""
    else:
        text = f"{100 * effect.mean:.2f} points"
        ends = format_ends(effect.unit, effect.interval) if effect.interval else ""
    return f"{text} {ends}".strip() + f" ({len(effect.values)} seeds)"


def describe_more_seeds(fewer: ArmRecord, more: ArmRecord) -> str:
    """Say which claims that ``fewer`` seeds leave open ``more`` decide, and which they overturn."""
    pairs = zip(fewer.claims, more.claims, strict=True)
    changed = [(old, new) for old, new in pairs if old.verdict != new.verdict]
    decided = [new for old, new in changed if old.verdict == "inconclusive"]
    overturned = [new for old, new in changed if old.verdict != "inconclusive"]
    first = (
        f"{name_claims(decided, more.seeds)}, which {fewer.seeds} leave open,"
        if decided
        else f"none of the claims that {fewer.seeds} leave open,"
    )
    second = f"the verdict on {name_claims(overturned, more.seeds)}" if overturned else "no verdict"
    return f"{more.seeds} seeds decide {first} and overturn {second}."


def verdicts_by_loss(record: StudyRecord) -> dict[LossInput, str]:
    """Give the verdicts by loss: on which own claims, or else on how many of the report's."""
    if record.claims:
        return {name: _numbered(arm.claims.claims) for name, arm in record.arms.items()}
    return {name: _counted(arm.report[-1].claims) for name, arm in record.arms.items()}


def summarise(record: StudyRecord) -> str:
    """Give the verdicts of a study in one line."""
    found = verdicts_by_loss(record)
    if len(set(found.values())) == 1 and len(found) > 1:
        return f"{next(iter(found.values()))} (with either loss)"
    return "; ".join(f"{text} ({name})" for name, text in found.items())


def _numbered(claims: tuple[VerdictRecord, ...]) -> str:
    by_verdict: dict[Verdict, list[str]] = {}
    for one in claims:
        by_verdict.setdefault(one.verdict, []).append(str(one.claim))
    return ", ".join(f"{conjoin(numbers)} {verdict}" for verdict, numbers in by_verdict.items())


def _counted(claims: tuple[VerdictRecord, ...]) -> str:
    verdicts = [one.verdict for one in claims]
    return ", ".join(
        f"{verdicts.count(name)} {name}" for name in get_args(Verdict) if name in verdicts
    )
