"""The comparison as a table for a terminal, for Markdown and for the page."""

import io
import math
from collections.abc import Iterator

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from fashionbench.analysis.files import COMPARISON_FILE
from fashionbench.analysis.result_files import read_result

HEADINGS = ("Network", "Parameters", "Val accuracy %", "Test accuracy %", "Test loss", "Best epoch")


def print_comparison(
    rev: str | None = None, *, markdown: bool = False, console: Console | None = None
) -> None:
    """Print the comparison of the last run, or of ``rev``: a commit, a branch or an experiment.

    Raises DataError if there is no comparison.
    """
    comparison = pd.read_csv(io.StringIO(read_result(COMPARISON_FILE, rev)))
    console = console or Console()
    if markdown:
        console.print(to_markdown(comparison), markup=False, highlight=False, soft_wrap=True)
        return
    seeds = comparison["seeds"].max()
    # Without borders and with two-line headings the table fits a terminal of 80 columns.
    title = f"Mean ± half the 95% interval over {seeds} seed(s)"
    table = Table(title=title, box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column(HEADINGS[0], no_wrap=True)
    for heading in HEADINGS[1:]:
        table.add_column(heading.replace(" ", "\n", 1), justify="right", no_wrap=True)
    for row in table_rows(comparison):
        table.add_row(*row)
    console.print(table)
    console.print("All runs with their curves and models: [bold]mlflow ui[/bold]")


def to_markdown(comparison: pd.DataFrame) -> str:
    """Return the table as Markdown."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---|" + "---:|" * (len(HEADINGS) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in table_rows(comparison)]
    return "\n".join(lines)


def table_rows(comparison: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each network's row, in the order of HEADINGS."""
    for _, row in comparison.iterrows():
        yield (
            str(row["network"]),
            f"{row['parameters']:,}",
            _with_interval(row, "val_accuracy", scale=100, digits=2),
            _with_interval(row, "test_accuracy", scale=100, digits=2),
            _with_interval(row, "test_loss", scale=1, digits=3),
            str(row["best_val_epoch"]),
        )


def _with_interval(row: "pd.Series[float]", score: str, scale: int, digits: int) -> str:
    half = (row[f"{score}_high"] - row[f"{score}_low"]) / 2
    text = f"{row[score] * scale:.{digits}f}"
    return text if math.isnan(half) else f"{text} ± {half * scale:.{digits}f}"
