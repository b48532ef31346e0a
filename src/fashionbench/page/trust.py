"""The page's section on calibration and robustness, from the tables of one or more arms."""

import math
from collections.abc import Sequence

import pandas as pd

from fashionbench.analysis.calibration_and_robustness import (
    TrustTables,
    compare_calibration,
    compare_robustness,
    mean_robustness,
    units,
)
from fashionbench.analysis.statistics import CONFIDENCE
from fashionbench.evaluation.corruptions import CORRUPTIONS, IMAGES
from fashionbench.page import figures, trust_figures
from fashionbench.page.page import Figure, Trust

HEADINGS = (
    "Network",
    "Calibration error %",
    "Probability less accuracy, points",
    "Accuracy on corrupted images %",
)


def describe_trust(loss_input: str, tables: TrustTables) -> Trust:
    """Return the table and the figures of an arm, trained on ``loss_input``."""
    calibration = compare_calibration(tables.calibration)
    robustness = compare_robustness(tables.robustness) if tables.robustness else None
    rows = trust_rows(calibration, robustness)
    drawn = [_calibration(loss_input, tables, rows)]
    if robustness is not None:
        drawn.append(_robustness(loss_input, robustness, rows))
    return Trust(loss_input=loss_input, headings=HEADINGS[: len(rows[0])], rows=rows, figures=drawn)


def trust_rows(calibration: pd.DataFrame, robustness: pd.DataFrame | None) -> list[tuple[str, ...]]:
    """Return the cells of each network's row, in the order of HEADINGS.

    ``calibration`` and ``robustness`` are those of compare_calibration and compare_robustness;
    without robustness, rows lack the last cell.
    """
    rows = [
        (
            str(row["network"]),
            _with_interval(row, "calibration_error"),
            _with_interval(row, "overconfidence", sign="+"),
        )
        for _, row in calibration.iterrows()
    ]
    if robustness is None:
        return list(rows)
    corrupted = mean_robustness(robustness)
    return [(*row, f"{100 * corrupted[row[0]]:.1f}") for row in rows]


def _calibration(loss_input: str, tables: TrustTables, rows: Sequence[Sequence[str]]) -> Figure:
    errors = ", ".join(f"{row[0]} {row[1]}%" for row in rows)
    bins = max(int(table["bin"].max()) for table in tables.calibration.values())
    return Figure(
        name=f"calibration-{loss_input}",
        svg=figures.svg_text(trust_figures.draw_reliability(tables.calibration)),
        caption=f"Reliability diagrams in {bins} bins, without those with few images, and with "
        f"{CONFIDENCE:.0%} intervals. Below the diagonal a network is surer than it is right.",
        alt=f"Expected calibration errors after training on {loss_input}: {errors}.",
    )


def _robustness(loss_input: str, robustness: pd.DataFrame, rows: Sequence[Sequence[str]]) -> Figure:
    means = ", ".join(f"{row[0]} {row[3]}%" for row in rows)
    return Figure(
        name=f"robustness-{loss_input}",
        svg=figures.svg_text(trust_figures.draw_robustness(robustness, units())),
        caption=f"Accuracy on at most {IMAGES:,} images, corrupted in {len(CORRUPTIONS)} ways of "
        "growing strength, which no network has seen in training.",
        alt=f"Mean accuracies on corrupted images after training on {loss_input}: {means}.",
    )


def _with_interval(row: "pd.Series[float]", column: str, sign: str = "") -> str:
    half = (row[f"{column}_high"] - row[f"{column}_low"]) / 2
    text = f"{100 * row[column]:{sign}.1f}"
    return text if math.isnan(half) else f"{text} ± {100 * half:.1f}"
