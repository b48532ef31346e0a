"""The comparison as a person reads it, on a terminal or in Markdown."""

import io
import math
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from fashionbench.analysis.comparison import COMPARISON_FILE
from fashionbench.errors import DataError

HEADINGS = ("Network", "Parameters", "Val accuracy %", "Test accuracy %", "Test loss", "Best epoch")


def show(rev: str | None = None, *, markdown: bool = False, console: Console | None = None) -> None:
    """Print the comparison of the last run, or the one that git or DVC holds of ``rev``.

    ``rev`` is a commit, a branch or an experiment. Raises DataError if there is no comparison.
    """
    comparison = pd.read_csv(io.StringIO(read_result(COMPARISON_FILE, rev)))
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
    for row in rows(comparison):
        table.add_row(*row)
    console.print(table)
    console.print("Every run, with its curves and models: [bold]mlflow ui[/bold]")


def to_markdown(comparison: pd.DataFrame) -> str:
    """The same table for a README or a pull request."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---|" + "---:|" * (len(HEADINGS) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows(comparison)]
    return "\n".join(lines)


def read_result(path: Path, rev: str | None = None) -> str:
    """A text file of the results: of the workspace, or as git or DVC holds it of ``rev``.

    Raises DataError if there is none.
    """
    if rev is None:
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error}); run dvc repro") from error
    # Imported here: it costs a second, and only this form of the commands needs it.
    import dvc.api
    from dvc.exceptions import DvcException
    from scmrepo.exceptions import SCMError

    try:
        return str(dvc.api.read(path.as_posix(), rev=rev))
    except (DvcException, SCMError, OSError) as error:
        raise DataError(
            f"{rev!r} has no {path} ({error}); dvc exp list names the experiments"
        ) from error


def rows(comparison: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """The cells of the table, under HEADINGS."""
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
