"""Draws how far networks can be trusted: reliability diagrams, and accuracy under corruption."""

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fashionbench.analysis.calibration_and_robustness import (
    calibration_error,
    curve_of,
    reliability,
)
from fashionbench.page.figures import LINE_STYLES, NETWORK_COLOURS, STYLE, VAL_COLOUR, WIDTH

_DIAGONAL = "#7a7a7a"


def draw_reliability(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw a reliability diagram per network; ``tables`` of calibration are by network."""
    rows = -(-len(tables) // 2)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.6 + 1.9 * rows), layout="constrained")
        grid = figure.subplots(rows, 2, squeeze=False, sharex=True, sharey=True).ravel()
        for axes in grid[len(tables) :]:
            axes.axis("off")
        for axes, (name, table) in zip(grid, tables.items(), strict=False):
            _draw_bins(axes, reliability(table))
            error = calibration_error(table).mean()
            axes.set_title(f"{name}: error {error:.1%}", fontsize=9)
        figure.supxlabel("probability of the predicted class", fontsize=10)
        figure.supylabel("share that is right", fontsize=10)
    return figure


def _draw_bins(axes: Axes, bins: pd.DataFrame) -> None:
    """Draw accuracy against probability, with intervals; on the diagonal they agree."""
    axes.plot([0, 1], [0, 1], color=_DIAGONAL, linewidth=1, linestyle=":")
    axes.plot(bins["confidence"], bins["accuracy"], "o-", color=VAL_COLOUR, markersize=3)
    ends = bins[["low", "high"]].clip(0, 1)
    axes.vlines(bins["confidence"], ends["low"], ends["high"], color=VAL_COLOUR, linewidth=1)
    axes.set(xlim=(0, 1.03), ylim=(0, 1.03), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])


def draw_robustness(robustness: pd.DataFrame, units: Mapping[str, str]) -> Figure:
    """Draw accuracy by strength, a panel for each kind in ``units``: means and 95% intervals."""
    names = list(dict.fromkeys(robustness["network"]))
    rows = -(-len(units) // 2)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.8 + 2.1 * rows), layout="constrained")
        grid = figure.subplots(rows, 2, squeeze=False, sharey=True).ravel()
        for axes in grid[len(units) :]:
            axes.axis("off")
        for axes, (kind, unit) in zip(grid, units.items(), strict=False):
            for index, name in enumerate(names):
                _draw_curve(axes, curve_of(robustness, name, kind), name, index)
            axes.set_title(kind, fontsize=9)
            axes.set_xlabel(unit, fontsize=8)
            axes.set_xticks(curve_of(robustness, names[0], kind)["strength"])
            axes.set_ylim(0, 1)
        figure.supylabel("test accuracy", fontsize=10)
        lines, labels = grid[0].get_legend_handles_labels()
        figure.legend(lines, labels, loc="outside lower center", ncols=3, fontsize=9)
    return figure


def _draw_curve(axes: Axes, curve: pd.DataFrame, name: str, index: int) -> None:
    rounds, place = divmod(index, len(NETWORK_COLOURS))
    colour, style = NETWORK_COLOURS[place], LINE_STYLES[rounds % len(LINE_STYLES)]
    strengths = curve["strength"].to_numpy(float)
    axes.plot(strengths, curve["accuracy"], style, color=colour, label=name, linewidth=1.2)
    if np.isfinite(curve["low"]).all():
        axes.fill_between(
            strengths, curve["low"], curve["high"], color=colour, alpha=0.15, linewidth=0
        )
