"""The figures, as SVG whose bytes depend on nothing but the numbers drawn."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType

from fashionbench.statistics import estimate

TRAIN_COLOUR = "#7a7a7a"
VAL_COLOUR = "#0063a6"
# Okabe and Ito's eight colours, told apart by colour-blind readers (jfly.uni-koeln.de/color), the
# yellow darkened to be seen on white.
NETWORK_COLOURS = (
    "#000000",
    "#e69f00",
    "#56b4e9",
    "#009e73",
    "#b8a800",
    "#0072b2",
    "#d55e00",
    "#cc79a7",
)
LINE_STYLES = ("-", "--", ":", "-.")

_STYLE: dict[RcKeyType, Any] = {
    "svg.hashsalt": "fashionbench",
    "font.size": 9,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "savefig.facecolor": "white",
}


def draw_network(name: str, curve: pd.DataFrame) -> Figure:
    """Train and validation loss and accuracy of one network over epochs, with bands over seeds."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 3.2), layout="constrained")
        for axes, kind in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
            _draw_band(axes, curve, f"train_{kind}", "train (while training)", TRAIN_COLOUR)
            _draw_band(axes, curve, f"val_{kind}", "validation", VAL_COLOUR)
            axes.set(xlabel="epoch", ylabel=kind)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.legend()
        seeds = curve["seed"].nunique()
        figure.suptitle(f"{name}: mean and 95% interval over {seeds} seed(s)")
    return figure


def draw_comparison(curves: Mapping[str, pd.DataFrame], comparison: pd.DataFrame) -> Figure:
    """All networks side by side: validation curves, and test accuracy with its intervals.

    ``comparison`` is the table of comparison.compare_networks. A network with less than half the
    best test accuracy would press all others into one line: it is named at the edge instead.
    """
    accuracy = comparison["test_accuracy"]
    shown = set(comparison["network"][accuracy > accuracy.max() / 2])
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(11, 3.8), layout="constrained")
        left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.2))
        for axes, kind in ((left, "loss"), (middle, "accuracy")):
            for index, (name, curve) in enumerate(curves.items()):
                if name in shown:
                    mean = curve.groupby("epoch")[f"val_{kind}"].mean()
                    axes.plot(mean.index, mean, **_line(index))
            axes.set(xlabel="epoch", ylabel=f"validation {kind} (mean over seeds)")
            axes.xaxis.get_major_locator().set_params(integer=True)
        _draw_test_accuracy(right, comparison, shown)
    return figure


def _draw_test_accuracy(axes: Axes, comparison: pd.DataFrame, shown: set[str]) -> None:
    """A dot and a bar a network, in the colour of its curves; the axis is their legend."""
    lowest = comparison.loc[comparison["network"].isin(shown), "test_accuracy"].min()
    for index, row in enumerate(comparison.to_dict("records")):
        mean, low, high = (row[f"test_accuracy{end}"] for end in ("", "_low", "_high"))
        if row["network"] in shown:
            axes.plot([low, high], [index, index], **_line(index))
            axes.plot(mean, index, "o", color=_line(index)["color"])
        else:
            axes.text(lowest, index, f"◀ {mean:.3f}", va="center", color=_line(index)["color"])
    axes.set(xlabel="test accuracy (mean and 95% interval over seeds)")
    axes.set_yticks(range(len(comparison)), list(comparison["network"]))
    axes.invert_yaxis()


def _draw_band(axes: Axes, curve: pd.DataFrame, column: str, label: str, colour: str) -> None:
    """The mean over seeds, and the 95% interval of that mean as a band."""
    epochs = curve["epoch"].unique()
    found = [estimate(curve.loc[curve["epoch"] == epoch, column].tolist()) for epoch in epochs]
    axes.plot(epochs, [over_seeds.mean for over_seeds in found], color=colour, label=label)
    low, high = ([getattr(over_seeds, end) for over_seeds in found] for end in ("low", "high"))
    if np.isfinite(low).all():
        axes.fill_between(epochs, low, high, color=colour, alpha=0.2, linewidth=0)


def _line(index: int) -> dict[str, Any]:
    """A colour and a line style; more networks than colours go on with the next style."""
    rounds, colour = divmod(index, len(NETWORK_COLOURS))
    return {"color": NETWORK_COLOURS[colour], "linestyle": LINE_STYLES[rounds % len(LINE_STYLES)]}


def save_svg(figure: Figure, path: Path) -> None:
    """Write a figure without the date and the random ids that matplotlib puts into SVG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(_STYLE):
        figure.savefig(path, format="svg", metadata={"Date": None})
