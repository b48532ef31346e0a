"""Verdicts and the answers behind them in words, and as tables for a terminal and for Markdown."""

from collections.abc import Iterable, Sequence
from itertools import chain

from rich.console import Console

from fashionbench.claims.language import Unit, Verdict, conjoin, half_unit
from fashionbench.claims.verdicts import (
    ArmRecord,
    ConditionRecord,
    Ends,
    Needed,
    VerdictRecord,
    VerdictsByArm,
)
from fashionbench.messages import counted
from fashionbench.terminal import open_console, print_table

SYMBOLS: dict[Verdict, str] = {
    "reproduced": "✓",
    "contradicted": "✗",
    "mixed": "≠",
    "inconclusive": "?",
    "vacuous": "○",
    "not applicable": "-",
}

ENOUGH_SEEDS = 20
"""With fewer, all seeds agree with a decision nearly always, since otherwise there were none."""

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


def format_numbers(condition: ConditionRecord) -> str:
    """Format an effect and its 95% interval without their unit, such as ``2.33 [-2.69, 7.35]``."""
    mean = _number(condition.unit, condition.mean)
    return (
        f"{mean} {format_ends(condition.unit, condition.interval)}" if condition.interval else mean
    )


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
    return f"{record.holds} of {counted(record.n, 'seed')} ({low} to {high}%)"


def describe_number(condition: ConditionRecord) -> str:
    """Say whether the report's number lies in the prediction interval; empty without a number."""
    if condition.reported is None or condition.predicted is None:
        return ""
    (low, high), slack = condition.predicted, half_unit(condition.reported)
    is_in = low <= condition.reported + slack and condition.reported - slack <= high
    unit = condition.unit
    number = f"{_FORMATS[unit][0] * condition.reported:.4g}{_suffix(unit)}"
    return f"{number} is {'in' if is_in else 'not in'} {format_ends(unit, condition.predicted)}"


def describe_flips(condition: ConditionRecord) -> str:
    """Say at which margins the claim's verdict would be another one."""
    unit: Unit = "points" if condition.unit == "accuracy" else condition.unit
    found = [
        f"{flip.verdict} {side} {_short(unit, flip.margin, digits=3)}"
        for side, flip in (("below", condition.below), ("above", condition.above))
        if flip
    ]
    return ", ".join(found) or "at no margin"


def describe_runs(condition: ConditionRecord) -> str:
    """Say which runs an effect is over; empty where these are all, in pairs."""
    n, kept = condition.runs, " that lost no class" if condition.lost else ""
    if len(n) == 2:
        return f"by Welch over {n[0]} and {n[1]} runs{kept}"
    return f"among the {counted(n[0], 'run')}{kept}" if n and kept else ""


def describe_others(condition: ConditionRecord) -> str:
    """Give the effects over other runs; empty where there are none."""
    names = {"all runs": "over all runs", "pairs": "in pairs of common seeds"}
    return "; ".join(
        f"{_with_interval(condition.unit, one.mean, one.interval)} {names[one.name]}"
        for one in condition.others
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


def list_on_test(arm: ArmRecord) -> str:
    """List the verdicts that would be others on the test images."""
    return by_verdict(
        (record.claim, record.on_test)
        for record in arm.claims
        if record.on_test and record.on_test != record.verdict
    )


def by_verdict(claims: Iterable[tuple[str, Verdict]]) -> str:
    """Name claims by their verdicts, such as ``1 and 3 reproduced, 2 mixed``."""
    found: dict[Verdict, list[str]] = {}
    for claim, verdict in claims:
        found.setdefault(verdict, []).append(claim)
    return ", ".join(f"{conjoin(numbers)} {verdict}" for verdict, numbers in found.items())


def describe_needed(needed: Needed | None) -> str:
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
    if needed.half is None:
        return f"leans to {needed.leans}, but no number of new seeds makes that likely"
    text = f"{needed.leans} with {needed.half:,} new seeds at even odds"
    return f"{text}, or with {needed.most:,} at 80%" if needed.most else text


def describe_lost(arm: ArmRecord) -> str:
    """Say which replicates lost a class."""
    lost = [
        f"{count} of {arm.runs.get(name, arm.seeds)} of {name}"
        for name, count in arm.lost_class.items()
    ]
    return ", ".join(lost) or "none"


def why_not_judged(datasets: Sequence[str]) -> str:
    """Say why no claim is judged; ``datasets`` are those that claims.yaml is about."""
    return (
        f"The claims of claims.yaml are about {conjoin(datasets)}. They are judged on another data "
        "set only if it is added to datasets there."
    )


def describe_misled(records: Sequence[VerdictRecord]) -> str:
    """Say how often one run would have led to another conclusion than all replicates."""
    decided = [record for record in records if record.misled_seeds is not None]
    sure = [record for record in decided if record.n >= ENOUGH_SEEDS]
    text = ""
    if sure:
        ones = _name_misled([(record, record.misled_seeds or 0) for record in sure])
        fives = _name_misled([(one, one.fives) for one in sure if one.fives is not None])
        text = (
            f"Of the {counted(len(sure), 'claim')} that {ENOUGH_SEEDS} seeds or more decide, one "
            f"run says otherwise in {ones}"
            f"{f'; five runs would have decided the opposite in {fives}' if fives else ''}. "
        )
    elif decided:
        text = f"{decided[0].n} seeds are too few to tell how often one run misleads. "
    opened = [record for record in records if record.n and not record.is_decided]
    disagreeing = [record for record in opened if 0 < record.holds < record.n]
    if disagreeing:
        text += f"On {name_claims(disagreeing)} one seed says what another denies. "
    return text.strip() or "There are too few seeds to tell."


def _name_misled(shares: Sequence[tuple[VerdictRecord, float]]) -> str:
    """Say how often, on average, and on which claims most often; empty without any."""
    if not shares:
        return ""
    most = sorted(shares, key=lambda one: -one[1])[:3]
    named = [f"{100 * share:.0f}% on claim {one.claim}" for one, share in most if share >= 0.005]
    mean = sum(share for _, share in shares) / len(shares)
    return f"{100 * mean:.1f}% on average{f', most often in {conjoin(named)}' if named else ''}"


def name_claims(records: Sequence[VerdictRecord], seeds: int | None = None) -> str:
    """Name one claim or several by their numbers, such as ``claims 2, 3 and 9``.

    Claims that rest on fewer than ``seeds`` say so: ``claims 8 and 15 (10 seeds)``.
    """
    names = [
        f"{record.claim} ({counted(record.n, 'seed')})"
        if seeds and 0 < record.n < seeds
        else f"{record.claim}"
        for record in records
    ]
    return f"claim{'s' if len(names) > 1 else ''} {conjoin(names)}"


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


def print_verdicts(
    arms: VerdictsByArm, *, markdown: bool = False, console: Console | None = None
) -> None:
    """Print the verdicts on all claims."""
    console = console or open_console()
    if markdown:
        console.print(f"{to_markdown(arms)}\n", markup=False, highlight=False, soft_wrap=True)
        return
    rows = [
        (f"{row[0].claim}. {row[0].words}", *(label(record.verdict) for record in row))
        for row in _rows(arms)
    ]
    headings = ("Claim", *(loss_input.capitalize() for loss_input in arms))
    print_table(console, headings, rows, justify="left")


def to_markdown(arms: VerdictsByArm) -> str:
    """Return a table of the verdicts, and for each arm one of the answers behind them."""
    heads = ["", "Claim", *(f"With {name}" for name in arms), "Other on the test images"]
    rows = [
        [
            str(row[0].claim),
            row[0].words,
            *(label(record.verdict) for record in row),
            _fork(arms, row),
        ]
        for row in _rows(arms)
    ]
    parts = [_table(heads, rows)]
    for name, arm in arms.items():
        parts += [
            f"### With {name}",
            f"Replicates that recognise no validation image of some class after the last epoch: "
            f"{describe_lost(arm)}. {describe_misled(arm.claims)}",
            _answers(arm),
        ]
    return "\n\n".join(parts)


def _rows(arms: VerdictsByArm) -> list[tuple[VerdictRecord, ...]]:
    return list(zip(*(arm.claims for arm in arms.values()), strict=True))


def _fork(arms: VerdictsByArm, row: tuple[VerdictRecord, ...]) -> str:
    """Name the arms in which the test images give another verdict."""
    return "; ".join(
        f"{name}: {record.on_test}"
        for name, record in zip(arms, row, strict=True)
        if record.on_test not in (None, record.verdict)
    )


def _answers(arm: ArmRecord) -> str:
    heads = ["", "Verdict", "What the runs say", "More"]
    return _table(heads, [_answer(record) for record in arm.claims])


def _answer(record: VerdictRecord) -> list[str]:
    """Return a sentence with one interval for each condition; all else unfolds."""
    more = [
        f"holds in {describe_holds(record)}" if record.n else "",
        "" if record.p_adjusted is None else f"p by Holm {record.p_adjusted:.2g}",
        describe_needed(record.needed),
        *chain(*map(_details, record.conditions)),
    ]
    listed = "<br>".join(filter(None, more))
    return [
        str(record.claim),
        label(record.verdict),
        "<br>".join(map(_answer_to, record.conditions)) or record.remark,
        f"<details><summary>numbers</summary>{listed}</details>" if listed else "",
    ]


def _answer_to(condition: ConditionRecord) -> str:
    shown = name_comparison(condition)
    quantity = f"{condition.quantity}{f' ({shown})' if shown else ''}"
    return f"{quantity}: {format_effect(condition)}, claimed {format_region(condition)}"


def _details(condition: ConditionRecord) -> list[str]:
    adjusted = condition.adjusted
    number = describe_number(condition)
    return [
        f"the report's {number}" if number else "",
        f"adjusted {format_ends(condition.unit, adjusted)}" if adjusted else "",
        describe_runs(condition),
        describe_others(condition),
        describe_crossed(condition),
        f"other verdict: {describe_flips(condition)}" if adjusted else "",
    ]


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---:", *["---"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
