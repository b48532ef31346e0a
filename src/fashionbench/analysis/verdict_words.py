"""Verdicts and the answers behind them in words."""

from collections.abc import Sequence

from fashionbench.analysis.conditions import Unit, Verdict
from fashionbench.analysis.verdict_records import (
    ArmRecord,
    ConditionRecord,
    Ends,
    FlipRecord,
    NeededRecord,
    VerdictRecord,
)

SYMBOLS: dict[Verdict, str] = {
    "reproduced": "✓",
    "contradicted": "✗",
    "inconclusive": "?",
    "vacuous": "○",
    "not applicable": "-",
}

# How to format a unit: a factor, the digits after the point, and a suffix.
_FORMATS: dict[Unit, tuple[float, int, str]] = {
    "accuracy": (100, 2, "%"),
    "points": (100, 2, " points"),
    "nats": (1, 4, " nats"),
    "share": (100, 1, " points"),
    "ratio": (1, 3, ""),
}


def label(verdict: Verdict) -> str:
    """Return a verdict with its symbol."""
    return f"{SYMBOLS[verdict]} {verdict}"


def format_effect(condition: ConditionRecord) -> str:
    """Format an effect and its 95% interval, such as ``2.33 points [-2.69, 7.35]``."""
    return _with_interval(condition.unit, condition.mean, condition.interval)


def format_ends(unit: Unit, ends: Ends) -> str:
    """Format the ends of an interval, such as ``[-2.69, 7.35]``."""
    return f"[{', '.join(_number(unit, end) for end in ends)}]"


def format_region(condition: ConditionRecord) -> str:
    """Format the region in which the claim expects the effect, such as ``above 1 point``."""
    unit, low, high = condition.unit, condition.low, condition.high
    factor = _FORMATS[unit][0]
    if low is not None and high is not None:
        return f"between {factor * low:.4g} and {factor * high:.4g}{_suffix(unit)}"
    side, limit = ("above", low) if low is not None else ("below", high)
    return f"{side} {_short(unit, limit)}" if limit else f"{side} 0"


def name_comparison(condition: ConditionRecord) -> str:
    """Name the comparison shown, where it is one of several: ``n1_mlp, the least of 6``."""
    if condition.comparisons == 1:
        return ""
    place = "strongest" if condition.some else "weakest"
    return f"{condition.comparison}, the {place} of {condition.comparisons}"


def describe_holds(record: VerdictRecord) -> str:
    """Say in how many seeds the sentence holds, such as ``3 of 5 seeds (15 to 95%)``."""
    if record.holds_interval is None:
        return ""
    low, high = (f"{100 * end:.0f}" for end in record.holds_interval)
    return f"{record.holds} of {record.n} seeds ({low} to {high}%)"


def describe_number(condition: ConditionRecord) -> str:
    """Say whether the report's number lies in the prediction interval; empty without a number."""
    if condition.reported is None or condition.predicted is None:
        return ""
    low, high = condition.predicted
    is_in = low <= condition.reported <= high
    unit = condition.unit
    number = f"{_FORMATS[unit][0] * condition.reported:.4g}{_suffix(unit)}"
    return f"{number} is {'in' if is_in else 'not in'} {format_ends(unit, condition.predicted)}"


def describe_flips(condition: ConditionRecord) -> str:
    """Say at which margins the claim's verdict would be another one."""
    unit: Unit = "points" if condition.unit == "accuracy" else condition.unit
    found = [
        f"{flip.verdict} {side} {_short(unit, flip.margin, digits=3)}"
        for side, flip in (("below", condition.below), ("above", condition.above))
        if isinstance(flip, FlipRecord)
    ]
    return ", ".join(found) or "at no margin"


def describe_kept(condition: ConditionRecord) -> str:
    """Give the effect among replicates that lost no class; empty where none or all did."""
    kept = condition.kept
    if kept is None:
        return ""
    return (
        f"{_with_interval(condition.unit, kept.mean, kept.interval)} among the {kept.n} seeds that "
        "lost no class"
    )


def describe_crossed(condition: ConditionRecord) -> str:
    """Give the interval over seeds and images; empty where it is not available."""
    found = condition.crossed
    if found is None:
        return ""
    return (
        f"{format_ends(condition.unit, found.ends)} over seeds and images, which are "
        f"{100 * found.images:.0f}% of the variance"
    )


def describe_on_test(condition: ConditionRecord) -> str:
    """Give effect and verdict on the test images; empty where there are none."""
    found = condition.on_test
    if found is None:
        return ""
    effect = _with_interval(condition.unit, found.mean, found.interval)
    return f"{effect} on the test images: {found.verdict}"


def describe_needed(needed: NeededRecord | None) -> str:
    """Say how many seeds would decide an open claim; empty for others."""
    if needed is None:
        return ""
    if needed.obstacle == "single seeds":
        return f"leans to {needed.leans}, but at least half of the seeds say otherwise"
    if needed.obstacle:
        where = "outside" if needed.leans == "reproduced" else "in"
        return (
            f"leans to {needed.leans}, but the report's number lies {where} the prediction interval"
        )
    half, most = (f"{n:,}" if n else "more than 10,000" for n in (needed.half, needed.most))
    return f"{needed.leans} with {half} seeds (power 50%) or {most} (80%)"


def describe_deviation(record: VerdictRecord) -> str:
    """Say in sentences what the data show where a claim is not reproduced; empty where it is."""
    if record.verdict == "reproduced":
        return ""
    if record.remark:
        return f"{record.remark[:1].upper()}{record.remark[1:]}."
    return " ".join(
        _sentence(condition) for condition in record.conditions if condition.verdict != "reproduced"
    )


def describe_lost(arm: ArmRecord) -> str:
    """Say which replicates lost a class."""
    lost = [f"{count} of {name}" for name, count in arm.lost_class.items()]
    return f"{', '.join(lost) or 'none'} (of {arm.seeds} each)"


def describe_misled(records: Sequence[VerdictRecord]) -> str:
    """Say how often one run would have led to another conclusion than all replicates."""
    decided = [record for record in records if record.misled_seeds is not None]
    opened = [record for record in records if record.n and record.verdict == "inconclusive"]
    text = ""
    if decided:
        seeds = sum(record.misled_seeds or 0 for record in decided) / len(decided)
        pairs = sum(record.misled_pairs or 0 for record in decided) / len(decided)
        text = (
            f"Of the {len(decided)} claims that are decided, a single seed gets {100 * seeds:.0f}% "
            f"wrong, and one run of each network, whatever their seeds, {100 * pairs:.0f}%. "
        )
    disagreeing = [record for record in opened if 0 < record.holds < record.n]
    agreeing = [record for record in opened if record not in disagreeing]
    if disagreeing:
        text += f"On {name_claims(disagreeing)} one seed says what another denies. "
    if agreeing:
        text += f"On {name_claims(agreeing)} all seeds agree, but are too few to be sure. "
    return text.strip() or "There are too few seeds to tell."


def name_claims(records: Sequence[VerdictRecord], seeds: int | None = None) -> str:
    """Name one claim or several by their numbers, such as ``claims 2, 3 and 9``.

    Claims that rest on fewer than ``seeds`` say so: ``claims 8 and 15 (10 seeds)``.
    """
    names = [
        f"{record.claim} ({record.n} seeds)"
        if seeds and 0 < record.n < seeds
        else f"{record.claim}"
        for record in records
    ]
    return f"claim{'s' if len(names) > 1 else ''} {conjoin(names)}"


def conjoin(names: Sequence[str]) -> str:
    """Join names as a sentence does: ``2, 3 and 9``."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _sentence(condition: ConditionRecord) -> str:
    unit = condition.unit
    quantity = f"{condition.quantity[:1].upper()}{condition.quantity[1:]}"
    if condition.comparisons > 1:
        quantity += f" ({name_comparison(condition)})"
    is_out = condition.verdict == "contradicted"
    relation = "not" if is_out else "and it remains open whether it is"
    lowest, highest = (_number(unit, end(condition.values)) for end in (min, max))
    return (
        f"{quantity} is {format_effect(condition)}, {relation} {format_region(condition)}; single "
        f"seeds range from {lowest} to {highest}{_suffix(unit)}."
    )


def _with_interval(unit: Unit, mean: float, interval: Ends | None) -> str:
    text = f"{_number(unit, mean)}{_suffix(unit)}"
    return f"{text} {format_ends(unit, interval)}" if interval else text


def _number(unit: Unit, value: float) -> str:
    factor, digits, _ = _FORMATS[unit]
    return f"{factor * value:.{digits}f}"


def _short(unit: Unit, value: float, digits: int = 4) -> str:
    """Format a limit with few digits and its unit, in the singular for 1 point."""
    factor = _FORMATS[unit][0]
    suffix = _suffix(unit).removesuffix("s") if factor * value == 1 else _suffix(unit)
    return f"{factor * value:.{digits}g}{suffix}"


def _suffix(unit: Unit) -> str:
    return _FORMATS[unit][2]
