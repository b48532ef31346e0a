"""The comparison as a person reads it, on a terminal or in Markdown."""

import io
import math
from collections.abc import Iterator

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from fashionbench.comparison import COMPARISON_FILE
from fashionbench.errors import DataError
from fashionbench.results import read_table

HEADINGS = ("Network", "Parameters", "Val accuracy %", "Test accuracy %", "Test loss", "Best epoch")


def show(rev: str | None = None, *, markdown: bool = False, console: Console | None = None) -> None:
    """Print the comparison of the last run, or the one that git or DVC holds of ``rev``.

    ``rev`` is a commit, a branch or an experiment. Raises DataError if there is no comparison.
    """
    comparison = read_table(COMPARISON_FILE) if rev is None else _read_revision(rev)
    console = console or Console()
    if markdown:
        console.print(to_markdown(comparison), markup=False, highlight=False, soft_wrap=True)
        return
    seeds = comparison["seeds"].max()
    # Without borders, and with headings of two lines, it fits a terminal of 80 columns.
    title = f"Mean and half 95% interval over {seeds} seed(s)"
    table = Table(title=title, box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column(HEADINGS[0], no_wrap=True)
    for heading in HEADINGS[1:]:
        table.add_column(heading.replace(" ", "\n", 1), justify="right", no_wrap=True)
    for row in _rows(comparison):
        table.add_row(*row)
    console.print(table)
    console.print("Every run, with its curves and models: [bold]mlflow ui[/bold]")


def to_markdown(comparison: pd.DataFrame) -> str:
    """The same table for a README or a pull request."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---|" + "---:|" * (len(HEADINGS) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in _rows(comparison)]
    return "\n".join(lines)


def _read_revision(rev: str) -> pd.DataFrame:
    # Imported here: it costs a second, and only this form of the command needs it.
    import dvc.api
    from dvc.exceptions import DvcException
    from scmrepo.exceptions import SCMError

    try:
        content = dvc.api.read(COMPARISON_FILE.as_posix(), rev=rev)
    except (DvcException, SCMError, OSError) as error:
        raise DataError(
            f"{rev!r} has no {COMPARISON_FILE} ({error}); dvc exp list names the experiments"
        ) from error
    return pd.read_csv(io.StringIO(content))


def _rows(comparison: pd.DataFrame) -> Iterator[tuple[str, ...]]:
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
    shown = f"{row[score] * scale:.{digits}f}"
    return shown if math.isnan(half) else f"{shown} ± {half * scale:.{digits}f}"
