"""Draws studies, with captions and texts for screen readers.

Every replicate is a point or a thin line beside means and 95% intervals.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fashionbench.analysis.results import Results
from fashionbench.analysis.statistics import CONFIDENCE, estimate
from fashionbench.claims.quantities import level_name
from fashionbench.page.figures import (
    INK,
    NETWORK_COLOURS,
    STYLE,
    accuracies_on_test,
    add_legend,
    by_epoch,
    draw_accuracy,
    draw_means,
    estimates,
    panels,
)
from fashionbench.params import LossInput
from fashionbench.studies.design import Design, Factor
from fashionbench.studies.outcomes import effects_of, read_arm
from fashionbench.studies.records import FigureRecord

ByValue = Mapping[str, Sequence[float]]
"""One accuracy per seed by the value of a factor, in words."""
WIDE_RANGE = 30
"""Values whose largest is this many times the smallest get a logarithmic axis."""
TWO_DECADES = 100

_LIKE_THESE = f"Means with {CONFIDENCE:.0%} intervals; every point is a replicate."
_COLOURS = (NETWORK_COLOURS[5], NETWORK_COLOURS[6])


@dataclass(frozen=True)
class Drawn:
    """A figure with its name and its words."""

    figure: Figure
    record: FigureRecord


def figures_of(
    design: Design, arms: Mapping[LossInput, Results], comparison: pd.DataFrame
) -> list[Drawn]:
    """Draw a study: by its factors or epochs, else the accuracies of all points."""
    found: list[Drawn] = []
    if design.study.transfers:
        found += _on_images(design, arms, comparison)
    elif design.study.crossed:
        found += _forests(design, arms)
    else:
        found += [_doses(design, arms, factor) for factor in design.study.factors]
    if design.study.read_at:
        found += _epochs(design, arms)
    return found or [_accuracies(arms, comparison)]


def _on_images(
    design: Design, arms: Mapping[LossInput, Results], comparison: pd.DataFrame
) -> Iterator[Drawn]:
    for images in design.images:
        points = [point.name for point in design.points if point.images == images]
        rows = comparison[comparison["network"].isin(points)]
        on_images = {loss_input: read_arm(design, loss_input, images=images) for loss_input in arms}
        yield _accuracies(on_images, rows, images)


def _accuracies(
    arms: Mapping[LossInput, Results], comparison: pd.DataFrame, images: str = ""
) -> Drawn:
    scores: dict[str, pd.DataFrame] = {}
    for loss_input, results in arms.items():
        suffix = f" ({loss_input})" if len(arms) > 1 else ""
        scores |= {f"{label}{suffix}": table for label, table in results.scores.items()}
    replicates = accuracies_on_test(scores)
    # The rows of the comparison are in the order of the points: by loss, then by network.
    named = comparison.assign(network=list(scores))
    record = FigureRecord(
        name=f"accuracy-{images}" if images else "accuracy",
        caption=f"Test accuracy{f' on {images}' if images else ''}. {_LIKE_THESE}",
        alt=f"Test accuracies: {_means(replicates, ' ')}.",
    )
    return Drawn(draw_accuracy(named, replicates), record)


def _doses(design: Design, arms: Mapping[LossInput, Results], factor: Factor) -> Drawn:
    drawn = {point.label for point in design.points}
    labels = {
        level_name(value): label for value, label in design.values(factor).items() if label in drawn
    }
    found: dict[str, dict[str, list[float]]] = {
        loss_input: {value: results.final(label).tolist() for value, label in labels.items()}
        for loss_input, results in arms.items()
    }
    own = level_name(design.reported(factor))
    means = "; ".join(f"with {loss} {_means(of, ': ')}" for loss, of in found.items())
    caption = f"Validation accuracy of {design.network} by {factor}. {_LIKE_THESE}"
    if own in labels:
        caption += f" The dotted line is the report's value, {own}."
    alt = f"Validation accuracies by {factor}: {means}."
    record = FigureRecord(name=factor, caption=caption, alt=alt)
    return Drawn(draw_doses(factor, found, own), record)


def _epochs(design: Design, arms: Mapping[LossInput, Results]) -> Iterator[Drawn]:
    read_at = design.study.read_at
    for loss_input, results in arms.items():
        ends = {
            name: results.by_epoch(name, "val_accuracy").iloc[-1].tolist()
            for name in results.curves
        }
        record = FigureRecord(
            name=f"epochs-{loss_input}",
            caption=f"Validation accuracy by epoch, trained on {loss_input}: means over seeds with "
            f"{CONFIDENCE:.0%} intervals, and every replicate as a point at epochs "
            f"{', '.join(map(str, read_at))}. The dotted line is the report's last epoch.",
            alt=f"Validation accuracies at the end: {_means(ends, ' ')}.",
        )
        yield Drawn(draw_epochs(results.curves, read_at, design.params.num_epochs), record)


def _forests(design: Design, arms: Mapping[LossInput, Results]) -> Iterator[Drawn]:
    for loss_input, results in arms.items():
        effects = {effect.name: effect.values for effect in effects_of(design, results)}
        if effects:
            means = ", ".join(
                f"{name} {100 * estimate(values).mean:.2f}" for name, values in effects.items()
            )
            record = FigureRecord(
                name=f"effects-{loss_input}",
                caption=f"Effects on the validation accuracy of {design.network} in points, in "
                f"pairs of equal seeds, trained on {loss_input}. {_LIKE_THESE}",
                alt=f"Effects in points: {means}.",
            )
            yield Drawn(draw_forest(effects), record)


def _means(accuracies: Mapping[str, Sequence[float]], between: str) -> str:
    """Give mean accuracies by name."""
    means = {name: estimate(values).mean for name, values in accuracies.items()}
    return ", ".join(f"{name}{between}{mean:.1%}" for name, mean in means.items())


@mpl.rc_context(STYLE)
def draw_doses(factor: str, arms: Mapping[str, ByValue], reported: str) -> Figure:
    """Draw validation accuracy by the value of a factor, a colour per loss.

    A point per replicate, their mean as a line and its 95% interval as a band. The value of the
    report is marked.
    """
    figure, (axes,) = panels(3.6)
    names = list(next(iter(arms.values())))
    places = _place(axes, names)
    for colour, (label, values) in zip(_COLOURS, arms.items(), strict=False):
        for place, of_value in zip(places, values.values(), strict=True):
            _draw_points(axes, [place] * len(of_value), of_value, colour)
        draw_means(axes, places, estimates(values.values()), colour, label=label)
    if reported in names:
        axes.axvline(places[names.index(reported)], color=INK, linestyle=":", label="report")
    axes.set(xlabel=factor, ylabel="validation accuracy")
    add_legend(figure, axes)
    return figure


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


@mpl.rc_context(STYLE)
def draw_epochs(
    curves: Mapping[str, pd.DataFrame], read_at: Sequence[int], reported: int
) -> Figure:
    """Draw validation accuracy by epoch: a colour per network, a band for the 95% interval.

    Replicates are points at the epochs of ``read_at``; the report's last epoch is marked.
    """
    figure, (axes,) = panels(4.2)
    for colour, (label, curve) in zip(NETWORK_COLOURS, curves.items(), strict=False):
        by_seed = by_epoch(curve, "val_accuracy")
        draw_means(axes, by_seed.index, estimates(by_seed.to_numpy()), colour, label=label)
        for epoch in by_seed.index.intersection(list(read_at)):
            row = by_seed.loc[epoch].tolist()
            _draw_points(axes, [epoch] * len(row), row, colour)
    axes.axvline(reported, color=INK, linestyle=":", label="report")
    axes.set(xlabel="epoch", ylabel="validation accuracy")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    add_legend(figure, axes)
    return figure


@mpl.rc_context(STYLE)
def draw_forest(effects: Mapping[str, Sequence[float]]) -> Figure:
    """Draw effects in points: a dot for the mean, a bar for its interval, a point per seed."""
    figure, (axes,) = panels(1.0 + 0.42 * len(effects))
    colour = _COLOURS[0]
    for place, values in enumerate(effects.values()):
        points = (100 * np.asarray(values)).tolist()
        found = estimate(points)
        axes.plot([found.low, found.high], [place, place], color=colour)
        axes.plot(found.mean, place, "o", color=colour)
        _draw_points(axes, points, [place + 0.25] * len(points), colour)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(effects)), list(effects))
    axes.invert_yaxis()
    axes.set(xlabel="points of validation accuracy")
    return figure


def _draw_points(axes: Axes, x: Sequence[float], y: Sequence[float], colour: str) -> None:
    """Draw replicates as pale points."""
    look: dict[str, Any] = {"markersize": 3.5, "markeredgewidth": 0, "linestyle": "none"}
    axes.plot(x, y, "o", color=colour, alpha=0.45, **look)
