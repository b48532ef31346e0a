"""Output for people: as wide as a terminal, without a width elsewhere, and with values whole."""

import sys
from collections.abc import Iterable, Sequence
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

_UNLIMITED = 100_000
"""Columns of what is no terminal: a file, a pipe, a notebook."""
_NARROWEST = 12
"""Columns that names keep, however narrow the terminal is."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave the error to the command line; rich would end the process with status 1."""
        raise  # Called where it was caught.


def open_console() -> Console:
    """Return a console on stdout: as wide as the terminal, and without a width elsewhere."""
    if sys.stdout.isatty():
        return _Console(highlight=False)
    # FORCE_COLOR would have rich take a file for a terminal.
    return _Console(highlight=False, force_terminal=False, width=_UNLIMITED)


def show_cursor() -> None:
    """Show the cursor of the terminal, if there is one, which an interrupted bar may have hidden.

    The bar's own console no longer writes if the interruption came while it filled a buffer.
    """
    _Console(file=sys.__stdout__).show_cursor()


def print_table(
    console: Console,
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    title: str | None = None,
    justify: Literal["left", "right"] = "right",
) -> None:
    """Print a table whose first column folds where the terminal is narrow.

    All other cells stay whole, even if the terminal has to break the lines.
    """
    rows = list(rows)
    table = Table(
        title=title and escape(title), box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0)
    )
    table.add_column(escape(headings[0]), overflow="fold")
    needed = _NARROWEST + 2 * len(headings)  # Two columns between cells.
    for index, heading in enumerate(headings[1:], start=1):
        lines = [*heading.splitlines(), *(row[index] for row in rows)]
        width = max(cell_len(line) for line in lines)
        table.add_column(escape(heading), justify=justify, no_wrap=True, min_width=width)
        needed += width
    for row in rows:
        table.add_row(*map(escape, row))
    if needed > console.width:
        table.width = needed
    console.print(table, crop=False)
