"""Draws studies: accuracy by the value of a factor, by epoch, and as paired differences.

Every replicate is a point or a thin line beside means and 95% intervals.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fashionbench.analysis.statistics import estimate
from fashionbench.page.figures import INK, NETWORK_COLOURS, STYLE, WIDTH

ByValue = Mapping[str, Sequence[float]]
"""One accuracy per seed by the value of a factor, in words."""
WIDE_RANGE = 30
"""Values whose largest is this many times the smallest get a logarithmic axis."""
TWO_DECADES = 100

_COLOURS = (NETWORK_COLOURS[5], NETWORK_COLOURS[6])
_POINT: dict[str, Any] = {
    "alpha": 0.45,
    "markersize": 3.5,
    "markeredgewidth": 0,
    "linestyle": "none",
}


def draw_doses(factor: str, arms: Mapping[str, ByValue], reported: str) -> Figure:
    """Draw validation accuracy by the value of a factor, a colour per loss.

    A point per replicate, their mean as a line and its 95% interval as a band. The value of the
    report is marked.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
        axes = figure.subplots()
        names = list(next(iter(arms.values())))
        places = _place(axes, names)
        for colour, (label, values) in zip(_COLOURS, arms.items(), strict=False):
            _draw_dose(axes, places, list(values.values()), label, colour)
        if reported in names:
            axes.axvline(places[names.index(reported)], color=INK, linestyle=":", label="report")
        axes.set(xlabel=factor, ylabel="validation accuracy")
        _add_legend(figure, axes)
    return figure


def _draw_dose(
    axes: Axes,
    places: Sequence[float],
    values: Sequence[Sequence[float]],
    label: str,
    colour: str,
) -> None:
    found = [estimate(of_value) for of_value in values]
    for place, of_value in zip(places, values, strict=True):
        axes.plot([place] * len(of_value), of_value, "o", color=colour, **_POINT)
    axes.plot(places, [one.mean for one in found], color=colour, label=label)
    axes.fill_between(
        places,
        [one.low for one in found],
        [one.high for one in found],
        color=colour,
        alpha=0.2,
        linewidth=0,
    )


def _place(axes: Axes, names: Sequence[str]) -> list[float]:
    """Place values on the axis as numbers, or in their order if they are not all numbers."""
    try:
        places = [float(name) for name in names]
    except ValueError:
        places = [float(place) for place in range(len(names))]
        axes.set_xticks(places, names)
        return places
    if min(places) > 0 and max(places) / min(places) >= WIDE_RANGE:
        axes.set_xscale("log")
        if max(places) / min(places) < TWO_DECADES:
            # It has too few powers of ten to label, and the labels of all ticks overlap.
            axes.set_xticks(places, names)
            axes.set_xticks([], minor=True)
    return places


def draw_epochs(
    curves: Mapping[str, pd.DataFrame], read_at: Sequence[int], reported: int
) -> Figure:
    """Draw validation accuracy by epoch: a colour per network, a band for the 95% interval.

    Replicates are points at the epochs of ``read_at``; the report's last epoch is marked.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
        axes = figure.subplots()
        for colour, (label, curve) in zip(NETWORK_COLOURS, curves.items(), strict=False):
            by_seed = curve.pivot(index="epoch", columns="seed", values="val_accuracy")
            found = [estimate(row.tolist()) for _, row in by_seed.iterrows()]
            axes.plot(by_seed.index, [one.mean for one in found], color=colour, label=label)
            low, high = ([getattr(one, end) for one in found] for end in ("low", "high"))
            axes.fill_between(by_seed.index, low, high, color=colour, alpha=0.2, linewidth=0)
            for epoch in by_seed.index.intersection(list(read_at)):
                row = by_seed.loc[epoch].tolist()
                axes.plot([epoch] * len(row), row, "o", color=colour, **_POINT)
        axes.axvline(reported, color=INK, linestyle=":", label="report")
        axes.set(xlabel="epoch", ylabel="validation accuracy")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _add_legend(figure, axes)
    return figure


def draw_forest(effects: Mapping[str, Sequence[float]]) -> Figure:
    """Draw effects in points: a dot for the mean, a bar for its interval, a point per seed."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.0 + 0.42 * len(effects)), layout="constrained")
        axes = figure.subplots()
        for place, values in enumerate(effects.values()):
            points = 100 * np.asarray(values)
            found = estimate(points.tolist())
            axes.plot([found.low, found.high], [place, place], color=_COLOURS[0])
            axes.plot(found.mean, place, "o", color=_COLOURS[0])
            axes.plot(points, [place + 0.25] * len(points), "o", color=_COLOURS[0], **_POINT)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(range(len(effects)), list(effects))
        axes.invert_yaxis()
        axes.set(xlabel="points of validation accuracy")
    return figure


def _add_legend(figure: Figure, axes: Axes) -> None:
    lines, labels = axes.get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=3, fontsize=9)
