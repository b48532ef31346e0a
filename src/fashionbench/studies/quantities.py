"""Quantities that claims of studies are about, besides those of the report's claims."""

from collections.abc import Mapping, Sequence
from itertools import pairwise, permutations

import numpy as np
import pandas as pd

from fashionbench.analysis.conditions import Comparison, Quantity
from fashionbench.analysis.results import NotTestableError, Results, ScoredSplit

Labels = Mapping[str, str]
"""Names of points by how they are called in a comparison, such as ``0.3``."""


def final_accuracies(points: Sequence[str], split: ScoredSplit | None) -> Quantity:
    """Return the final accuracy of each point on ``split``, or on the images that are judged."""

    def compare(results: Results) -> list[Comparison]:
        images = results.on(split) if split else results
        is_judged = images.split == "val"
        return [
            Comparison(_unless_alone(point, points), (point,), images.final(point), None, is_judged)
            for point in points
        ]

    return compare


def changes(points: Sequence[str], curve: str, start: int, end: int) -> Quantity:
    """Return the change of a curve between two epochs: val_accuracy, or the gap to train."""

    def compare(results: Results) -> list[Comparison]:
        found = []
        for point in points:
            values = results.by_epoch(point, "val_accuracy")
            if curve == "gap":
                values = results.by_epoch(point, "train_accuracy") - values
            missing = {start, end} - set(values.index)
            if missing:
                raise NotTestableError(f"needs epoch {min(missing)}")
            change = (values.T[end] - values.T[start]).astype(np.float64)
            found.append(Comparison(_unless_alone(point, points), (point,), change))
        return found

    return compare


def above_own(values: Labels, own: str) -> Quantity:
    """Return the accuracy with each value minus that with the report's own."""
    return lambda results: [
        _difference(results, name, point, own) for name, point in values.items() if point != own
    ]


def ordered_pairs(values: Labels) -> Quantity:
    """Return the accuracy with each value minus that with each other value."""
    return lambda results: [
        _difference(results, f"{one} minus {other}", values[one], values[other])
        for one, other in permutations(values, 2)
    ]


def excess_at_end(point: str) -> Quantity:
    """Return validation minus train accuracy of the last epoch of the curves."""
    return lambda results: [Comparison("", (point,), excess(results, point).iloc[-1])]


def rising_excess(values: Labels) -> Quantity:
    """Return how much that excess rises from each value to the next."""
    return lambda results: [
        Comparison(
            f"{one} to {other}",
            (values[other], values[one]),
            excess(results, values[other]).iloc[-1],
            excess(results, values[one]).iloc[-1],
        )
        for one, other in pairwise(values)
    ]


def excess(results: Results, point: str) -> pd.DataFrame:
    """Return validation minus train accuracy: one row per epoch, one column per seed."""
    return results.by_epoch(point, "val_accuracy") - results.by_epoch(point, "train_accuracy")


def _difference(results: Results, name: str, first: str, second: str) -> Comparison:
    one, other = results.final(first), results.final(second)
    return Comparison(name, (first, second), one, other, of_images=True)


def _unless_alone(point: str, points: Sequence[str]) -> str:
    return point if len(points) > 1 else ""
