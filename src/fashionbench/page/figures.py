"""Draws the figures, as SVG whose bytes depend only on the data.

Figures are about as wide as a phone's screen, so that their text is readable there.
"""

import io
import math
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter
from matplotlib.typing import RcKeyType
from PIL import Image

from fashionbench.analysis.calibration_and_robustness import (
    calibration_error,
    curve_of,
    reliability,
    units,
)
from fashionbench.analysis.result_files import KINDS
from fashionbench.analysis.statistics import CONFIDENCE, estimate
from fashionbench.files import replace_file
from fashionbench.messages import counted

WIDTH = 4.8
"""Inches."""
INK = "#1b1b1a"
"""The colour of text and axes, unique so that the page can replace it by its own."""
PAPER = "#fefefd"
"""The background colour, likewise."""
GREY = "#7a7a7a"
BLUE = "#2f7fc1"
# The colours of Okabe and Ito, which colour-blind readers can tell apart
# (jfly.uni-koeln.de/color); yellow is darkened and blue lightened for contrast on white and black.
NETWORK_COLOURS = (
    INK,
    "#e69f00",
    "#56b4e9",
    "#009e73",
    "#b8a800",
    BLUE,
    "#d55e00",
    "#cc79a7",
)
LINE_STYLES = ("-", "--", ":", "-.")
BELOW = 0.3
"""How far below a network's bar its replicates are drawn, in rows."""
FULL_COLOUR = 0.05
"""The difference of accuracies that gets the full colour in the matrix of pairs."""
_LONGEST_LABEL = 24
_PITCH = 1.08
"""From one image to the next, in images."""
_IMAGES_IN_A_ROW = 4
_PNG = re.compile(r"(data:image/png;base64,\n?)([\w+/=\n]+)")

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
_WITHOUT_GRID: dict[RcKeyType, Any] = STYLE | {"axes.grid": False}


def panels(
    height: float, count: int = 1, columns: int = 1, **shared: Any
) -> tuple[Figure, list[Axes]]:
    """Return an empty figure of this height in inches, and its panels, row by row."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    rows = math.ceil(count / columns)
    grid: list[Axes] = [*figure.subplots(rows, columns, squeeze=False, **shared).ravel()]
    for axes in grid[count:]:
        axes.axis("off")
    return figure, grid[:count]


def add_legend(figure: Figure, axes: Axes) -> None:
    """Add a legend of one panel below all."""
    lines, labels = axes.get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=3, fontsize=9)


def by_epoch(curve: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return a column of a network's learning curves: a row per epoch, a column per seed."""
    return curve.pivot(index="epoch", columns="seed", values=column)


def estimates(values: Iterable[Sequence[float]]) -> pd.DataFrame:
    """Return a row per place on the axis: mean, low and high of one value per seed."""
    return pd.DataFrame([estimate(of_place) for of_place in values])


def draw_means(
    axes: Axes, places: Any, found: pd.DataFrame, colour: Any, alpha: float = 0.2, **line: Any
) -> None:
    """Draw means as a line and their intervals, where there are any, as a band."""
    axes.plot(places, found["mean"], color=colour, **line)
    if np.isfinite(found["low"]).any():
        ends = found["low"], found["high"]
        axes.fill_between(places, *ends, color=colour, alpha=alpha, linewidth=0)


@mpl.rc_context(STYLE)
def draw_network(name: str, curve: pd.DataFrame) -> Figure:
    """Draw a network's train and validation curves: replicates, means and 95% intervals."""
    figure, grid = panels(5.2, count=2)
    lines = {"train": ("train (while training)", GREY), "val": ("validation", BLUE)}
    for axes, kind in zip(grid, KINDS, strict=True):
        for split, (label, colour) in lines.items():
            by_seed = _draw_replicates(axes, curve, f"{split}_{kind}", colour)
            means = estimates(by_seed.to_numpy())
            draw_means(axes, by_seed.index, means, colour, label=label)
        axes.set(xlabel="epoch", ylabel=kind)
        axes.locator_params(axis="x", integer=True)
        axes.legend()
    seeds = curve["seed"].nunique()
    shown = "mean and 95% interval over " if seeds > 1 else ""
    figure.suptitle(f"{name}: {shown}{counted(seeds, 'seed')}", fontsize=10)
    return figure


@mpl.rc_context(STYLE)
def draw_curves(curves: Mapping[str, pd.DataFrame], comparison: pd.DataFrame) -> Figure:
    """Draw the validation curves of networks within :func:`in_range`: means and replicates."""
    figure, grid = panels(6.2, count=2)
    for axes, kind in zip(grid, KINDS, strict=True):
        for index, (name, curve) in enumerate(curves.items()):
            if name in in_range(comparison):
                mean = curve.groupby("epoch")[f"val_{kind}"].mean()
                _draw_replicates(axes, curve, f"val_{kind}", _line(index)["color"])
                axes.plot(mean.index, mean, label=name, **_line(index))
        axes.set(xlabel="epoch", ylabel=f"validation {kind}")
        axes.locator_params(axis="x", integer=True)
    add_legend(figure, grid[0])
    return figure


def _draw_replicates(axes: Axes, curve: pd.DataFrame, column: str, colour: str) -> pd.DataFrame:
    """Draw a thin line per seed; return what is drawn, by epoch and seed."""
    by_seed = by_epoch(curve, column)
    # One path with gaps: for twenty seeds, a tenth of the page said twenty times how lines look.
    epochs = np.tile([*by_seed.index, math.nan], by_seed.shape[1])
    values = np.pad(by_seed.to_numpy().T, ((0, 0), (0, 1)), constant_values=math.nan)
    axes.plot(epochs, values.ravel(), color=colour, linewidth=0.6, alpha=0.4)
    return by_seed


def _line(index: int) -> dict[str, Any]:
    """Return a network's colour and line style; styles change when the colours are used up."""
    rounds, colour = divmod(index, len(NETWORK_COLOURS))
    return {"color": NETWORK_COLOURS[colour], "linestyle": LINE_STYLES[rounds % len(LINE_STYLES)]}


def accuracies_on_test(scores: Mapping[str, pd.DataFrame]) -> dict[str, list[float]]:
    """Return the test accuracy of every replicate by network, from tables of scores by network."""
    return {
        name: table.loc[table["split"] == "test", "accuracy"].tolist()
        for name, table in scores.items()
    }


def in_range(comparison: pd.DataFrame) -> set[str]:
    """Return the networks with over half the best accuracy; others would stretch the axis."""
    accuracy = comparison["test_accuracy"]
    return set(comparison["network"][accuracy > accuracy.max() / 2])


@mpl.rc_context(STYLE)
def draw_accuracy(comparison: pd.DataFrame, replicates: Replicates) -> Figure:
    """Draw each network's test accuracy: a bar for mean and interval, a point per replicate."""
    rows = range(len(comparison))
    figure, (axes,) = panels(0.9 + 0.36 * len(rows))
    _draw_scores(axes, comparison, replicates, rows, horizontal=True)
    axes.set(xlabel="test accuracy")
    axes.set_yticks(rows, list(comparison["network"]))
    # The first network on top, and half a row of room below the last one's replicates.
    axes.set_ylim(len(rows) - 0.5, -0.5)
    return figure


@mpl.rc_context(STYLE)
def draw_costs(comparison: pd.DataFrame, replicates: Replicates) -> Figure:
    """Draw test accuracy against parameters and against the operations of one training."""
    figure, grid = panels(6.2, count=2)
    costs = {"parameters": "parameters", "train_teraflop": "10¹² operations in training"}
    for axes, (column, label) in zip(grid, costs.items(), strict=True):
        _draw_scores(axes, comparison, replicates, comparison[column], horizontal=False)
        axes.set(xlabel=label, ylabel="test accuracy", xscale="log")
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    add_legend(figure, grid[0])
    return figure


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


@mpl.rc_context(_WITHOUT_GRID)
def draw_confusion(confusion: pd.DataFrame) -> Figure:
    """Draw the confusion matrix as shares of the actual class, over all seeds.

    ``confusion`` has the columns seed, actual, predicted and images, a count.
    """
    classes = list(dict.fromkeys(confusion["actual"]))
    counts = confusion.groupby(["actual", "predicted"])["images"].sum().unstack()
    counts = counts.reindex(index=classes, columns=classes)
    shares = counts.div(counts.sum(axis=1), axis=0).to_numpy()
    figure, (axes,) = panels(4.6)
    axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(shares.round(2) >= 0.01):
        share, size = shares[row, column], min(8, 120 / len(classes))
        _write_cell(axes, row, column, f"{100 * share:.0f}", size, is_dark=share > 0.5)
    _name_cells(axes, [plain(name) for name in classes], min(8, 200 / len(classes)))
    axes.set(xlabel="predicted (% of the actual class)", ylabel="actual")
    return figure


@mpl.rc_context(_WITHOUT_GRID)
def draw_pairs(pairs: pd.DataFrame) -> Figure:
    """Draw the matrix of all pairs; ``pairs`` is that of analysis.pairs.compare_pairs.

    Above the diagonal the difference of mean accuracies, row minus column, in points; a star marks
    those that Holm's procedure finds significant. Below it the probability that a run of the row
    beats a run of the column, in per cent. Cells are blue where the row is better, else red.
    """
    names = list(dict.fromkeys([*pairs["first"], *pairs["second"]]))
    figure, (axes,) = panels(4.6)
    colours = np.full((len(names), len(names)), np.nan)
    for row in pairs.to_dict("records"):
        first, second = names.index(row["first"]), names.index(row["second"])
        star = "*" if row["p_adjusted"] <= 1 - CONFIDENCE else ""
        lost = 1 - row["superiority"]
        points, size = 100 * row["difference"], row["difference"] / FULL_COLOUR
        cells = {
            (first, second): (size, f"{points:+.1f}{star}"),
            (second, first): (2 * lost - 1, f"{100 * lost:.0f}"),
        }
        for place, (colour, text) in cells.items():
            colours[place] = colour
            _write_cell(axes, *place, text, 7, is_dark=abs(colour) > 0.6)
    axes.pcolormesh(np.clip(colours, -1, 1), cmap="RdBu", vmin=-1.2, vmax=1.2)
    _name_cells(axes, names, 8)
    return figure


def _write_cell(
    axes: Axes, row: int, column: int, text: str, size: float, *, is_dark: bool
) -> None:
    colour = "#ffffff" if is_dark else "#000000"
    place = column + 0.5, row + 0.5
    axes.text(*place, text, ha="center", va="center", fontsize=size, color=colour)


def _name_cells(axes: Axes, names: Sequence[str], size: float) -> None:
    """Name the rows and columns of a matrix, the first row on top."""
    middles = np.arange(len(names)) + 0.5
    axes.set_xticks(middles, names, rotation=45, ha="right", fontsize=size)
    axes.set_yticks(middles, names, fontsize=size)
    axes.set(aspect="equal")
    axes.invert_yaxis()


def plain(text: str) -> str:
    """Return a text for a figure: cut if it is long, and without matplotlib's own markup."""
    shortened = text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 1]}…"
    return shortened.replace("$", r"\$")


@mpl.rc_context(STYLE)
def draw_reliability(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw a reliability diagram per network; ``tables`` of calibration are by network.

    It shows accuracy against probability, with intervals; on the diagonal they agree.
    """
    height = 0.6 + 1.9 * math.ceil(len(tables) / 2)
    figure, grid = panels(height, len(tables), columns=2, sharex=True, sharey=True)
    for axes, (name, table) in zip(grid, tables.items(), strict=True):
        bins = reliability(table)
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
        axes.plot(bins["confidence"], bins["accuracy"], "o-", color=BLUE, markersize=3)
        ends = bins[["low", "high"]].clip(0, 1)
        axes.vlines(bins["confidence"], ends["low"], ends["high"], color=BLUE, linewidth=1)
        axes.set(xlim=(0, 1.03), ylim=(0, 1.03), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
        axes.set_title(f"{name}: error {calibration_error(table).mean():.1%}", fontsize=9)
    figure.supxlabel("probability of the predicted class", fontsize=10)
    figure.supylabel("share that is right", fontsize=10)
    return figure


@mpl.rc_context(STYLE)
def draw_robustness(robustness: pd.DataFrame) -> Figure:
    """Draw accuracy by strength, a panel for each kind of corruption: means and 95% intervals.

    ``robustness`` is that of analysis.calibration_and_robustness.compare_robustness.
    """
    names, kinds = list(dict.fromkeys(robustness["network"])), units()
    height = 0.8 + 2.1 * math.ceil(len(kinds) / 2)
    figure, grid = panels(height, len(kinds), columns=2, sharey=True)
    for axes, (kind, unit) in zip(grid, kinds.items(), strict=True):
        for index, name in enumerate(names):
            curve = curve_of(robustness, name, kind).rename(columns={"accuracy": "mean"})
            colour, style = _line(index).values()
            line = {"linestyle": style, "label": name, "linewidth": 1.2}
            draw_means(axes, curve["strength"], curve, colour, alpha=0.15, **line)
        axes.set_title(kind, fontsize=9)
        axes.set_xlabel(unit, fontsize=8)
        axes.set_xticks(curve_of(robustness, names[0], kind)["strength"])
        axes.set_ylim(0, 1)
    figure.supylabel("test accuracy", fontsize=10)
    add_legend(figure, grid[0])
    return figure


def draw_filters(filters: npt.NDArray[np.float32]) -> Figure:
    """Draw filters (n, height, width), each on its own scale: negative blue, positive red.

    Without any, draw a sentence that says so.
    """
    if len(filters):
        return _draw_images(filters, [""] * len(filters), "RdBu_r", 1.2)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.5), layout="constrained")
        figure.text(0.5, 0.5, "No layer's weights are images", ha="center", va="center")
    return figure


def draw_errors(errors: Mapping[str, npt.NDArray[Any]], classes: Sequence[str]) -> Figure:
    """Draw misclassified images, titled with class and prediction.

    ``errors`` holds images (n, height, width[, 3]), labels (n,) and predictions (n,), as returned
    by :func:`fashionbench.evaluation.scores.worst_errors`.
    """
    titles = [
        f"{plain(classes[label])}\n→ {plain(classes[prediction])}"
        for label, prediction in zip(errors["labels"], errors["predictions"], strict=True)
    ]
    return _draw_images(errors["images"], titles, "gray", 1.65 if titles else 1.2, (0, 255))


@mpl.rc_context(STYLE)
def _draw_images(
    images: npt.NDArray[Any],
    titles: Sequence[str],
    cmap: str,
    row_height: float,
    ends: tuple[float, float] | None = None,
) -> Figure:
    """Draw images in rows, all in one coordinate system of pixels: to make one takes long.

    ``ends`` are those of the colours; without them each image has its own, around zero.
    """
    columns, rows = _IMAGES_IN_A_ROW, max(1, math.ceil(len(images) / _IMAGES_IN_A_ROW))
    height, width = images.shape[1:3]
    down, across = (size * _PITCH for size in (height * row_height / 1.2, width))
    figure, (axes,) = panels(rows * row_height)
    axes.axis("off")
    for place, (image, title) in enumerate(zip(images, titles, strict=True)):
        bottom, left = (place // columns + 1) * down, place % columns * across
        top = float(np.abs(image).max()) or 1.0
        low, high = ends or (-top, top)
        box = (left, left + width, bottom, bottom - height)
        axes.imshow(image, cmap=cmap, vmin=low, vmax=high, extent=box, interpolation="nearest")
        middle, above = left + width / 2, bottom - 1.02 * height
        axes.text(middle, above, title, fontsize=8, ha="center", va="bottom")
    axes.set(xlim=(0, columns * across), ylim=(rows * down, 0))
    return figure


def save_svg(figure: Figure, path: Path) -> None:
    """Write a figure as SVG, with the folders above it."""
    replace_file(path, svg_text(figure).encode())


@mpl.rc_context(STYLE)
def svg_text(figure: Figure) -> str:
    """Return a figure as SVG, without matplotlib's date and random ids."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return _PNG.sub(lambda found: found[1] + with_palette(found[2]), file.getvalue())


def with_palette(png: str) -> str:
    """Return a PNG, in base64, with a palette: a quarter of what matplotlib writes.

    A colour map has 256 colours. An image with more stays as it is.
    """
    with Image.open(io.BytesIO(b64decode(png))) as image:
        colours = image.convert("RGB")
    if colours.getcolors(256) is None:
        return png
    smaller = io.BytesIO()
    colours.quantize(256).save(smaller, "PNG", optimize=True)
    return b64encode(smaller.getvalue()).decode()
