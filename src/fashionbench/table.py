"""The comparison as a person reads it, on a terminal or in Markdown."""

import math
from collections.abc import Iterator

import pandas as pd
from rich.console import Console
from rich.table import Table

from fashionbench.comparison import COMPARISON_FILE
from fashionbench.results import read_table

HEADINGS = ("Network", "Parameters", "Val accuracy %", "Test accuracy %", "Test loss", "Best epoch")


def show(console: Console | None = None) -> None:
    """Print the comparison of the last run; DataError if there is none."""
    console = console or Console()
    comparison = read_table(COMPARISON_FILE)
    seeds = comparison["seeds"].max()
    table = Table(title=f"Mean and half 95% interval over {seeds} seed(s)")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == "Network" else "right")
    for row in _rows(comparison):
        table.add_row(*row)
    console.print(table)
    console.print("Every run, with its curves and models: [bold]mlflow ui[/bold]")


def to_markdown(comparison: pd.DataFrame) -> str:
    """The same table for a README or a pull request."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---|" + "---:|" * (len(HEADINGS) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in _rows(comparison)]
    return "\n".join(lines)


def _rows(comparison: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    for _, row in comparison.iterrows():
        yield (
            str(row["network"]),
            f"{row['parameters']:,}",
            _with_interval(row, "val_accuracy", scale=100, digits=2),
            _with_interval(row, "test_accuracy", scale=100, digits=2),
            _with_interval(row, "test_loss", scale=1, digits=4),
            str(row["best_val_epoch"]),
        )


def _with_interval(row: "pd.Series[float]", score: str, scale: int, digits: int) -> str:
    half = (row[f"{score}_high"] - row[f"{score}_low"]) / 2
    shown = f"{row[score] * scale:.{digits}f}"
    return shown if math.isnan(half) else f"{shown} ± {half * scale:.{digits}f}"
