"""Verdicts as records for a file, and those records in words."""

import json
import math
from collections.abc import Iterable, Sequence
from typing import TypedDict

from rich import box
from rich.console import Console
from rich.table import Table

from fashionbench.analysis.comparison_table import read_result
from fashionbench.analysis.verdicts import Finding, Judgement, Unit, Verdict
from fashionbench.paths import METRICS_DIR

CLAIMS_FILE = METRICS_DIR / "claims.json"
"""By the value of loss_input, a list of VerdictRecord."""
REPORT_FILE = METRICS_DIR / "report.html"


class ConditionRecord(TypedDict):
    """A condition and what was found: ``effect`` is a mean over ``n`` seeds; no limit is None.

    ``lowest`` and ``highest`` are those of single seeds.
    """

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


class VerdictRecord(TypedDict):
    """A claim and its verdict."""

    claim: int
    words: str
    why: str
    verdict: Verdict
    remark: str
    conditions: list[ConditionRecord]


SYMBOLS: dict[Verdict, str] = {"reproduced": "✓", "contradicted": "✗", "inconclusive": "?"}

# How a unit is shown: the factor, the digits after the point, and what is written behind.
_SHOWN: dict[Unit, tuple[float, int, str]] = {
    "accuracy": (100, 2, "%"),
    "points": (100, 2, " points"),
    "nats": (1, 4, " nats"),
    "share": (100, 1, " points"),
    "ratio": (1, 3, ""),
}


def show(rev: str | None = None, *, markdown: bool = False, console: Console | None = None) -> None:
    """Print the verdicts of the last run, or those that git or DVC holds of ``rev``.

    ``rev`` is a commit, a branch or an experiment. Raises DataError if there are none.
    """
    arms: dict[str, list[VerdictRecord]] = json.loads(read_result(CLAIMS_FILE, rev))
    console = console or Console()
    if markdown:
        console.print(f"{to_markdown(arms)}\n", markup=False, highlight=False, soft_wrap=True)
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("Claim")
    for loss_input in arms:
        table.add_column(loss_input.capitalize(), no_wrap=True)
    for row in zip(*arms.values(), strict=True):
        verdicts = (f"{SYMBOLS[record['verdict']]} {record['verdict']}" for record in row)
        table.add_row(f"{row[0]['claim']}. {row[0]['words']}", *verdicts)
    console.print(table)
    console.print(f"Effects, intervals and figures: [bold]{REPORT_FILE}[/bold]\n")


def to_records(judgements: Iterable[Judgement]) -> list[VerdictRecord]:
    """The judgements with figures to six decimals."""
    return [
        VerdictRecord(
            claim=judgement.claim.number,
            words=judgement.claim.words,
            why=judgement.claim.why,
            verdict=judgement.verdict,
            remark=judgement.remark,
            conditions=[_condition_record(finding) for finding in judgement.findings],
        )
        for judgement in judgements
    ]


def _condition_record(finding: Finding) -> ConditionRecord:
    condition, found = finding.condition, finding.estimate
    return ConditionRecord(
        quantity=condition.quantity,
        unit=condition.unit,
        low=_rounded(condition.low),
        high=_rounded(condition.high),
        effect=round(found.mean, 6),
        effect_low=_rounded(found.low),
        effect_high=_rounded(found.high),
        lowest=round(finding.lowest, 6),
        highest=round(finding.highest, 6),
        n=found.n,
        verdict=finding.verdict,
    )


def _rounded(value: float) -> float | None:
    # JSON has neither infinity nor nan.
    return round(value, 6) if math.isfinite(value) else None


def effect(condition: ConditionRecord) -> str:
    """The effect and its interval: ``2.33 points [-2.69, 7.35]``."""
    unit = condition["unit"]
    ends = [condition["effect_low"], condition["effect_high"]]
    shown = f"{_number(unit, condition['effect'])}{_name(unit)}"
    interval = ", ".join(_number(unit, end) for end in ends if end is not None)
    return f"{shown} [{interval}]" if interval else shown


def region(condition: ConditionRecord) -> str:
    """Where the claim says that the effect lies."""
    unit, low, high = condition["unit"], condition["low"], condition["high"]
    factor = _SHOWN[unit][0]
    if low is not None and high is not None:
        return f"between {factor * low:.4g} and {factor * high:.4g}{_name(unit)}"
    side, limit = ("above", low) if low is not None else ("below", high)
    if not limit:
        return f"{side} 0"
    name = _name(unit).removesuffix("s") if factor * limit == 1 else _name(unit)
    return f"{side} {factor * limit:.4g}{name}"


def instead(record: VerdictRecord) -> str:
    """What the data show where the claim is not reproduced; empty where it is."""
    if record["verdict"] == "reproduced":
        return ""
    if record["remark"]:
        return f"{record['remark'][:1].upper()}{record['remark'][1:]}."
    return " ".join(
        _in_a_sentence(condition)
        for condition in record["conditions"]
        if condition["verdict"] != "reproduced"
    )


def _in_a_sentence(condition: ConditionRecord) -> str:
    unit = condition["unit"]
    quantity = f"{condition['quantity'][:1].upper()}{condition['quantity'][1:]}"
    lowest, highest = (_number(unit, condition[end]) for end in ("lowest", "highest"))
    seeds = f"single seeds from {lowest} to {highest}{_name(unit)}"
    claimed = region(condition)
    if condition["verdict"] == "contradicted":
        return f"{quantity} is {effect(condition)} and not {claimed}; {seeds}."
    return f"{quantity} is {effect(condition)} and may or may not be {claimed}; {seeds}."


def _number(unit: Unit, value: float) -> str:
    factor, digits, _ = _SHOWN[unit]
    return f"{factor * value:.{digits}f}"


def _name(unit: Unit) -> str:
    return _SHOWN[unit][2]


def to_markdown(arms: dict[str, list[VerdictRecord]]) -> str:
    """A row a claim; a column of verdicts for each value of loss_input."""
    names = list(arms)
    heads = ["Claim", *(f"Verdict ({name})" for name in names), "Effect and 95% interval"]
    lines = ["| " + " | ".join(["", *heads]) + " |", "|---:|" + "---|" * len(heads)]
    for row in zip(*arms.values(), strict=True):
        verdicts = [f"{SYMBOLS[record['verdict']]} {record['verdict']}" for record in row]
        cells = [str(row[0]["claim"]), row[0]["words"], *verdicts, _effects(row[0])]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _effects(record: VerdictRecord) -> str:
    effects = [f"{found['quantity']}: {effect(found)}" for found in record["conditions"]]
    return "; ".join(effects) or record["remark"]


def count_verdicts(records: Sequence[VerdictRecord]) -> dict[Verdict, int]:
    """How many claims have each verdict."""
    return {verdict: sum(record["verdict"] == verdict for record in records) for verdict in SYMBOLS}
