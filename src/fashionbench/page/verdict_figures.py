"""Draws all pairs of networks."""

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fashionbench.analysis.statistics import CONFIDENCE
from fashionbench.page.figures import STYLE, WIDTH

FULL_COLOUR = 0.05
"""The difference of accuracies that gets the full colour."""


def draw_pairs(pairs: pd.DataFrame) -> Figure:
    """Draw the matrix of all pairs; ``pairs`` is that of analysis.pairs.compare_pairs.

    Above the diagonal the difference of mean accuracies, row minus column, in points; a star marks
    those that Holm's procedure finds significant. Below it the probability that a run of the row
    beats a run of the column, in per cent.
    """
    names = list(dict.fromkeys([*pairs["first"], *pairs["second"]]))
    colours = np.full((len(names), len(names)), np.nan)
    with mpl.rc_context(STYLE | {"axes.grid": False}):
        figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
        axes = figure.subplots()
        for row in pairs.to_dict("records"):
            first, second = names.index(row["first"]), names.index(row["second"])
            star = "*" if row["p_adjusted"] <= 1 - CONFIDENCE else ""
            colours[first, second] = row["difference"] / FULL_COLOUR
            colours[second, first] = 2 * (1 - row["superiority"]) - 1
            texts = (
                f"{100 * row['difference']:+.1f}{star}",
                f"{100 * (1 - row['superiority']):.0f}",
            )
            for place, text in zip(((first, second), (second, first)), texts, strict=True):
                _write(axes, place, text, is_dark=abs(colours[place]) > 0.6)
        _colour(axes, colours)
        axes.set_xticks(np.arange(len(names)) + 0.5, names, rotation=45, ha="right", fontsize=8)
        axes.set_yticks(np.arange(len(names)) + 0.5, names, fontsize=8)
        axes.set(aspect="equal")
        axes.invert_yaxis()
    return figure


def _colour(axes: Axes, colours: npt.NDArray[np.float64]) -> None:
    """Colour the cells: blue where the row is better, red where it is worse."""
    axes.pcolormesh(np.clip(colours, -1, 1), cmap="RdBu", vmin=-1.2, vmax=1.2)


def _write(axes: Axes, place: tuple[int, int], text: str, *, is_dark: bool) -> None:
    row, column = place
    colour = "#ffffff" if is_dark else "#000000"
    x, y = column + 0.5, row + 0.5
    axes.text(x, y, text, ha="center", va="center", fontsize=7, color=colour)
