"""Verdicts in words: for a terminal, for Markdown and for the page."""

from rich import box
from rich.console import Console
from rich.table import Table

from fashionbench.analysis.files import PAGE_FILE
from fashionbench.analysis.verdict_records import (
    ConditionRecord,
    VerdictRecord,
    VerdictsByArm,
    read_verdicts,
)
from fashionbench.analysis.verdicts import Unit, Verdict

SYMBOLS: dict[Verdict, str] = {"reproduced": "✓", "contradicted": "✗", "inconclusive": "?"}

# How to format a unit: a factor, the digits after the point, and a suffix.
_FORMATS: dict[Unit, tuple[float, int, str]] = {
    "accuracy": (100, 2, "%"),
    "points": (100, 2, " points"),
    "nats": (1, 4, " nats"),
    "share": (100, 1, " points"),
    "ratio": (1, 3, ""),
}


def print_verdicts(
    rev: str | None = None, *, markdown: bool = False, console: Console | None = None
) -> None:
    """Print the verdicts of the last run, or of ``rev``: a commit, a branch or an experiment.

    Raises DataError if there are none.
    """
    arms = read_verdicts(rev)
    console = console or Console()
    if markdown:
        console.print(f"{to_markdown(arms)}\n", markup=False, highlight=False, soft_wrap=True)
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("Claim")
    for loss_input in arms:
        table.add_column(loss_input.capitalize(), no_wrap=True)
    for row in zip(*arms.values(), strict=True):
        verdicts = (f"{SYMBOLS[record.verdict]} {record.verdict}" for record in row)
        table.add_row(f"{row[0].claim}. {row[0].words}", *verdicts)
    console.print(table)
    console.print(f"Effects, intervals and figures: [bold]{PAGE_FILE}[/bold]\n")


def to_markdown(arms: VerdictsByArm) -> str:
    """Return a table with one row per claim and one column of verdicts per arm."""
    heads = ["Claim", *(f"Verdict ({name})" for name in arms), "Effect and 95% interval"]
    lines = ["| " + " | ".join(["", *heads]) + " |", "|---:|" + "---|" * len(heads)]
    for row in zip(*arms.values(), strict=True):
        verdicts = [f"{SYMBOLS[record.verdict]} {record.verdict}" for record in row]
        cells = [str(row[0].claim), row[0].words, *verdicts, _effects(row[0])]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _effects(record: VerdictRecord) -> str:
    effects = [f"{found.quantity}: {format_effect(found)}" for found in record.conditions]
    return "; ".join(effects) or record.remark


def format_effect(condition: ConditionRecord) -> str:
    """Format an effect and its interval, such as ``2.33 points [-2.69, 7.35]``."""
    unit = condition.unit
    ends = [condition.effect_low, condition.effect_high]
    mean = f"{_number(unit, condition.effect)}{_suffix(unit)}"
    interval = ", ".join(_number(unit, end) for end in ends if end is not None)
    return f"{mean} [{interval}]" if interval else mean


def format_region(condition: ConditionRecord) -> str:
    """Format the region in which the claim expects the effect, such as ``above 1 point``."""
    unit, low, high = condition.unit, condition.low, condition.high
    factor = _FORMATS[unit][0]
    if low is not None and high is not None:
        return f"between {factor * low:.4g} and {factor * high:.4g}{_suffix(unit)}"
    side, limit = ("above", low) if low is not None else ("below", high)
    if not limit:
        return f"{side} 0"
    suffix = _suffix(unit).removesuffix("s") if factor * limit == 1 else _suffix(unit)
    return f"{side} {factor * limit:.4g}{suffix}"


def describe_deviation(record: VerdictRecord) -> str:
    """Say in sentences what the data show where a claim is not reproduced; empty where it is."""
    if record.verdict == "reproduced":
        return ""
    if record.remark:
        return f"{record.remark[:1].upper()}{record.remark[1:]}."
    return " ".join(
        _sentence(condition) for condition in record.conditions if condition.verdict != "reproduced"
    )


def _sentence(condition: ConditionRecord) -> str:
    unit = condition.unit
    quantity = f"{condition.quantity[:1].upper()}{condition.quantity[1:]}"
    is_out = condition.verdict == "contradicted"
    relation = "not" if is_out else "and it remains open whether it is"
    lowest, highest = (_number(unit, end) for end in (condition.lowest, condition.highest))
    return (
        f"{quantity} is {format_effect(condition)}, {relation} {format_region(condition)}; single "
        f"seeds range from {lowest} to {highest}{_suffix(unit)}."
    )


def _number(unit: Unit, value: float) -> str:
    factor, digits, _ = _FORMATS[unit]
    return f"{factor * value:.{digits}f}"


def _suffix(unit: Unit) -> str:
    return _FORMATS[unit][2]
