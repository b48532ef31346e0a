"""The results of a study's points with one loss, under their labels."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from fashionbench.analysis.correctness import Correct, read_correct
from fashionbench.analysis.results import Results, ScoredSplit
from fashionbench.params import LossInput
from fashionbench.paths import network_table
from fashionbench.studies.design import Design, Point
from fashionbench.tables import read_table


def read_arm(design: Design, loss_input: LossInput, most_seeds: int | None = None) -> Results:
    """Read the tables of all points with a loss, of their first seeds if ``most_seeds`` is given.

    Raises DataError if a table is missing.
    """
    points = design.of(loss_input)
    splits: tuple[ScoredSplit, ...] = ("val", "test")
    curves, scores, weights = (
        {point.label: _read(point, table, most_seeds) for point in points}
        for table in ("curves", "scores", "weights")
    )
    return Results(
        curves=curves,
        scores=scores,
        weights=weights,
        loss_input=loss_input,
        correct={split: _read_correct(points, split, most_seeds) for split in splits},
    )


def _read(point: Point, table: str, most_seeds: int | None) -> pd.DataFrame:
    rows = read_table(network_table(point.name, table))
    return rows[rows["seed"].isin(point.seeds[:most_seeds])].reset_index(drop=True)


def _read_correct(points: Sequence[Point], split: ScoredSplit, most_seeds: int | None) -> Correct:
    """Read which images are classified correctly, for the points that have the usual seeds.

    Those with fewer are left out: the bootstrap needs all seeds of all networks.
    """
    seeds = points[0].seeds[:most_seeds]
    labels = {point.name: point.label for point in points if point.seeds[:most_seeds] == seeds}
    found = read_correct(Path(), labels, seeds, split)
    return {labels[name]: correct for name, correct in found.items()}
