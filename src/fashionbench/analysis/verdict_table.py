"""Verdicts as tables: for a terminal and for Markdown."""

from rich import box
from rich.console import Console
from rich.table import Table

from fashionbench.analysis import verdict_words as words
from fashionbench.analysis.files import PAGE_FILE
from fashionbench.analysis.verdict_records import (
    ArmRecord,
    VerdictRecord,
    VerdictsByArm,
    read_verdicts,
)


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
    for row in _rows(arms):
        verdicts = (words.label(record.verdict) for record in row)
        table.add_row(f"{row[0].claim}. {row[0].words}", *verdicts)
    console.print(table)
    console.print(f"Effects, intervals and figures: [bold]{PAGE_FILE}[/bold]\n")


def to_markdown(arms: VerdictsByArm) -> str:
    """Return a table of the verdicts, and for each arm one of the answers behind them."""
    heads = ["", "Claim", *(f"With {name}" for name in arms), "Other on the test images"]
    rows = [
        [
            str(row[0].claim),
            row[0].words,
            *(words.label(record.verdict) for record in row),
            _fork(arms, row),
        ]
        for row in _rows(arms)
    ]
    parts = [_table(heads, rows)]
    for name, arm in arms.items():
        parts += [
            f"### With {name}",
            f"Replicates that recognise no validation image of some class after the last epoch: "
            f"{words.describe_lost(arm)}. {words.describe_misled(arm.claims)}",
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
    heads = [
        "",
        "Verdict",
        "Holds in",
        "The report's number",
        "Effect and 95% interval",
        "p, Holm",
        "Flips",
        "Seeds to decide",
    ]
    return _table(heads, [_answer(record) for record in arm.claims])


def _answer(record: VerdictRecord) -> list[str]:
    conditions = record.conditions
    effects = []
    for one in conditions:
        shown = words.name_comparison(one)
        effect = f"{one.quantity}{f' ({shown})' if shown else ''}: {words.format_effect(one)}"
        if one.adjusted:
            effect += f"; adjusted {words.format_ends(one.unit, one.adjusted)}"
        others = (words.describe_crossed(one), words.describe_kept(one))
        effects.append("; ".join([effect, *filter(None, others)]))
    return [
        str(record.claim),
        words.label(record.verdict),
        words.describe_holds(record),
        "; ".join(filter(None, map(words.describe_number, conditions))),
        "<br>".join(effects) or record.remark,
        "" if record.p_adjusted is None else f"{record.p_adjusted:.2g}",
        "<br>".join(map(words.describe_flips, conditions)) if record.level else "",
        words.describe_needed(record.needed),
    ]


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---:", *["---"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
