"""Draws the figures, as SVG whose bytes depend only on the data.

Figures are about as wide as a phone's screen, so that their text is readable there.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter
from matplotlib.typing import RcKeyType

from fashionbench.analysis.files import KINDS
from fashionbench.analysis.statistics import estimate
from fashionbench.messages import counted

WIDTH = 4.8
"""Inches."""
INK = "#1b1b1a"
"""The colour of text and axes, unique so that the page can replace it by its own."""
PAPER = "#fefefd"
"""The background colour, likewise."""
TRAIN_COLOUR = "#7a7a7a"
VAL_COLOUR = "#2f7fc1"
# The colours of Okabe and Ito, which colour-blind readers can tell apart
# (jfly.uni-koeln.de/color); yellow is darkened and blue lightened for contrast on white and black.
NETWORK_COLOURS = (
    INK,
    "#e69f00",
    "#56b4e9",
    "#009e73",
    "#b8a800",
    "#2f7fc1",
    "#d55e00",
    "#cc79a7",
)
_LONGEST_LABEL = 24
LINE_STYLES = ("-", "--", ":", "-.")
BELOW = 0.3
"""How far below a network's bar its replicates are drawn, in rows."""

Replicates = Mapping[str, Sequence[float]]
"""Test accuracies of single replicates, by network."""

STYLE: dict[RcKeyType, Any] = {
    "svg.hashsalt": "fashionbench",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.facecolor": PAPER,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": PAPER,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "xtick.color": INK,
    "ytick.color": INK,
}


def draw_network(name: str, curve: pd.DataFrame) -> Figure:
    """Draw a network's train and validation curves: replicates, means and 95% intervals."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 5.2), layout="constrained")
        for axes, kind in zip(figure.subplots(2, 1), KINDS, strict=True):
            _draw_band(axes, curve, f"train_{kind}", "train (while training)", TRAIN_COLOUR)
            _draw_band(axes, curve, f"val_{kind}", "validation", VAL_COLOUR)
            axes.set(xlabel="epoch", ylabel=kind)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.legend()
        seeds = curve["seed"].nunique()
        shown = "mean and 95% interval over " if seeds > 1 else ""
        figure.suptitle(f"{name}: {shown}{counted(seeds, 'seed')}", fontsize=10)
    return figure


def draw_curves(curves: Mapping[str, pd.DataFrame], comparison: pd.DataFrame) -> Figure:
    """Draw the validation curves of networks within :func:`in_range`: means and replicates."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 6.2), layout="constrained")
        for axes, kind in zip(figure.subplots(2, 1), KINDS, strict=True):
            for index, (name, curve) in enumerate(curves.items()):
                if name in in_range(comparison):
                    mean = curve.groupby("epoch")[f"val_{kind}"].mean()
                    _draw_replicates(axes, curve, f"val_{kind}", _line(index)["color"])
                    axes.plot(mean.index, mean, label=name, **_line(index))
            axes.set(xlabel="epoch", ylabel=f"validation {kind}")
            axes.xaxis.get_major_locator().set_params(integer=True)
        lines, labels = axes.get_legend_handles_labels()
        figure.legend(lines, labels, loc="outside lower center", ncols=3, fontsize=9)
    return figure


def accuracies_on_test(scores: Mapping[str, pd.DataFrame]) -> dict[str, list[float]]:
    """Return the test accuracy of every replicate by network, from tables of scores by network."""
    return {
        name: table.loc[table["split"] == "test", "accuracy"].tolist()
        for name, table in scores.items()
    }


def draw_accuracy(comparison: pd.DataFrame, replicates: Replicates) -> Figure:
    """Draw each network's test accuracy: a bar for mean and interval, a point per replicate."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.9 + 0.36 * len(comparison)), layout="constrained")
        axes = figure.subplots()
        _draw_scores(axes, comparison, replicates, range(len(comparison)), horizontal=True)
        axes.set(xlabel="test accuracy")
        axes.set_yticks(range(len(comparison)), list(comparison["network"]))
        # The first network on top, and half a row of room below the last one's replicates.
        axes.set_ylim(len(comparison) - 0.5, -0.5)
    return figure


def draw_costs(comparison: pd.DataFrame, replicates: Replicates) -> Figure:
    """Draw test accuracy against parameters and against the operations of one training."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 6.2), layout="constrained")
        costs = {"parameters": "parameters", "train_teraflop": "10¹² operations in training"}
        for axes, (column, label) in zip(figure.subplots(2, 1), costs.items(), strict=True):
            _draw_scores(axes, comparison, replicates, comparison[column], horizontal=False)
            axes.set(xlabel=label, ylabel="test accuracy", xscale="log")
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        lines, labels = axes.get_legend_handles_labels()
        figure.legend(lines, labels, loc="outside lower center", ncols=3, fontsize=9)
    return figure


def in_range(comparison: pd.DataFrame) -> set[str]:
    """Return the networks with over half the best accuracy; others would stretch the axis."""
    accuracy = comparison["test_accuracy"]
    return set(comparison["network"][accuracy > accuracy.max() / 2])


def _draw_scores(
    axes: Axes,
    comparison: pd.DataFrame,
    replicates: Replicates,
    positions: Iterable[float],
    *,
    horizontal: bool,
) -> None:
    """Draw a dot, a bar and replicates per network; one out of range gets its number instead."""
    visible = in_range(comparison)
    lowest = min(min(replicates[name]) for name in visible)
    rows = comparison.to_dict("records")
    for index, (position, row) in enumerate(zip(positions, rows, strict=True)):
        mean, low, high = (row[f"test_accuracy{end}"] for end in ("", "_low", "_high"))
        look = _line(index)
        if row["network"] not in visible:
            x, y = (lowest, position) if horizontal else (position, lowest)
            arrow = "◀" if horizontal else "▼"
            axes.plot(x, y, linestyle="")  # Text does not extend the axes.
            axes.text(x, y, f"{arrow} {mean:.3f}", va="center", color=look["color"])
            continue
        ends, places = [low, high], [position, position]
        axes.plot(*((ends, places) if horizontal else (places, ends)), **look)
        dot = (mean, position) if horizontal else (position, mean)
        axes.plot(*dot, "o", color=look["color"], label=row["network"])
        values = replicates[row["network"]]
        # Below the bar, so that groups of replicates are seen apart from it.
        places = [position + (BELOW if horizontal else 0)] * len(values)
        points = (values, places) if horizontal else (places, values)
        axes.plot(*points, "o", color=look["color"], alpha=0.7, markersize=4.5, markeredgewidth=0)


def draw_confusion(confusion: pd.DataFrame) -> Figure:
    """Draw the confusion matrix as shares of the actual class, over all seeds.

    ``confusion`` has the columns seed, actual, predicted and images, a count.
    """
    classes = list(dict.fromkeys(confusion["actual"]))
    counts = confusion.groupby(["actual", "predicted"])["images"].sum().unstack()
    counts = counts.reindex(index=classes, columns=classes)
    shares = counts.div(counts.sum(axis=1), axis=0)
    with mpl.rc_context(STYLE | {"axes.grid": False}):
        figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
        axes = figure.subplots()
        axes.pcolormesh(shares.to_numpy(), cmap="Blues", vmin=0, vmax=1)
        for row, column in np.argwhere(shares.to_numpy().round(2) >= 0.01):
            share = shares.iloc[row, column]
            axes.text(
                column + 0.5,
                row + 0.5,
                f"{100 * share:.0f}",
                ha="center",
                va="center",
                fontsize=min(8, 120 / len(classes)),
                color="#ffffff" if share > 0.5 else "#000000",
            )
        labels, size = [plain(name) for name in classes], min(8, 200 / len(classes))
        middles = np.arange(len(classes)) + 0.5
        axes.set_xticks(middles, labels, rotation=45, ha="right", fontsize=size)
        axes.set_yticks(middles, labels, fontsize=size)
        axes.set(xlabel="predicted (% of the actual class)", ylabel="actual", aspect="equal")
        axes.invert_yaxis()
    return figure


def plain(text: str) -> str:
    """Return a text for a figure: cut if it is long, and without matplotlib's own markup."""
    shortened = text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 1]}…"
    return shortened.replace("$", r"\$")


def _draw_band(axes: Axes, curve: pd.DataFrame, column: str, label: str, colour: str) -> None:
    """Draw replicates as thin lines, their mean as a line and its 95% interval as a band."""
    epochs = curve["epoch"].unique()
    found = [estimate(curve.loc[curve["epoch"] == epoch, column].tolist()) for epoch in epochs]
    _draw_replicates(axes, curve, column, colour)
    axes.plot(epochs, [over_seeds.mean for over_seeds in found], color=colour, label=label)
    low, high = ([getattr(over_seeds, end) for over_seeds in found] for end in ("low", "high"))
    if np.isfinite(low).all():
        axes.fill_between(epochs, low, high, color=colour, alpha=0.2, linewidth=0)


def _draw_replicates(axes: Axes, curve: pd.DataFrame, column: str, colour: str) -> None:
    """Draw a thin line per seed."""
    by_seed = curve.pivot(index="epoch", columns="seed", values=column)
    axes.plot(by_seed.index, by_seed.to_numpy(), color=colour, linewidth=0.6, alpha=0.4)


def _line(index: int) -> dict[str, Any]:
    """Return a network's colour and line style; styles change when the colours are used up."""
    rounds, colour = divmod(index, len(NETWORK_COLOURS))
    return {"color": NETWORK_COLOURS[colour], "linestyle": LINE_STYLES[rounds % len(LINE_STYLES)]}


def save_svg(figure: Figure, path: Path) -> None:
    """Write a figure as SVG, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(svg_text(figure), encoding="utf-8")


def svg_text(figure: Figure) -> str:
    """Return a figure as SVG, without matplotlib's date and random ids."""
    file = io.StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()
