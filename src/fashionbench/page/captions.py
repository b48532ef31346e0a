"""The page's figures with their captions and alternative texts, and tables beside them."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from fashionbench.analysis.calibration_and_robustness import (
    TrustTables,
    compare_calibration,
    compare_robustness,
    mean_robustness,
)
from fashionbench.analysis.result_files import FIGURES_DIR
from fashionbench.analysis.statistics import CONFIDENCE
from fashionbench.claims.sensitivity import ALL
from fashionbench.evaluation.corruptions import CORRUPTIONS, IMAGES
from fashionbench.messages import counted
from fashionbench.page import figures
from fashionbench.page.multiverse import draw_multiverse, shares
from fashionbench.page.page import Arm, Figure, Trust

Row = dict[Any, Any]
"""One network's row of the comparison, by column."""

TRUST_HEADINGS = (
    "Network",
    "Calibration error %",
    "Probability less accuracy, points",
    "Accuracy on corrupted images %",
)


def first_figures(arm: Arm) -> list[Figure]:
    """Return the figure of the first screen: accuracies."""
    return [
        _saved(
            "accuracy",
            f"Test accuracy: means over seeds with {CONFIDENCE:.0%} intervals, and below each the "
            "single replicates. Networks far below are marked at the edge.",
            f"Test accuracies: {_accuracies(arm.comparison)}.",
        ),
    ]


def overview_figures(comparison: pd.DataFrame) -> list[Figure]:
    """Return the other figures that show all networks together."""
    rows = comparison.to_dict("records")
    curves = ", ".join(
        f"{row['network']} {row['best_val_accuracy']:.1%} in epoch {row['best_val_epoch']}"
        for row in rows
    )
    costs = ", ".join(
        f"{row['network']} {row['parameters']:,} parameters and {row['train_teraflop']:.2f} "
        "trillion operations"
        for row in rows
    )
    return [
        _saved(
            "curves",
            "Validation scores by epoch: means over seeds; thin lines are replicates.",
            f"Highest mean validation accuracies: {curves}.",
        ),
        _saved(
            "costs",
            "Test accuracy against trainable parameters, and against floating-point operations in "
            "training. Small points are replicates.",
            f"Costs: {costs}.",
        ),
    ]


def network_figures(row: Row) -> list[Figure]:
    """Return the figures of one network; ``row`` is that of the comparison."""
    name = str(row["network"])
    return [
        _saved(
            f"networks/{name}",
            "Learning curves.",
            f"Learning curves of {name}: validation accuracy ends at "
            f"{row['val_accuracy']:.1%}, validation loss at {row['val_loss']:.4f}.",
        ),
        _saved(
            f"confusion/{name}",
            "Confusion matrix.",
            f"Confusion matrix of {name}, at a test accuracy of {row['test_accuracy']:.1%}.",
        ),
        _saved(f"filters/{name}", "Filters.", f"First-layer filters of {name} as images."),
        _saved(
            f"errors/{name}",
            "Errors.",
            f"Test images that {name} misclassifies with the highest confidence, each titled "
            "with its class and the prediction.",
        ),
    ]


def pairs_figures(arm: Arm, pairs: pd.DataFrame) -> list[Figure]:
    """Return the matrix of all pairs of networks; none for a single network."""
    on_test = pairs[pairs["split"] == "test"]
    if not len(on_test):
        return []
    significant = int((on_test["p_adjusted"] <= 1 - CONFIDENCE).sum())
    against, images = on_test["mcnemar_against"].mean(), ""
    if pd.notna(against):
        images = (
            f" By McNemar's exact test {on_test['mcnemar_for'].mean():.0%} of all pairs of runs "
            f"differ significantly in favour of the network that is better on average, "
            f"{against:.0%} against it."
        )
    return [
        Figure(
            name=f"pairs-{arm.loss_input}",
            svg=figures.svg_text(figures.draw_pairs(on_test)),
            caption="All pairs of networks on the test images, over all runs. Above the diagonal: "
            "row minus column, in points; a star marks what paired t tests find significant after "
            "Holm's correction. Below it: how often, in per cent, a run of the row beats one of "
            f"the column.{images} metrics/pairs.csv has the numbers.",
            alt=f"Matrix of {len(on_test)} pairs of networks trained on {arm.loss_input}: "
            f"{significant} of them differ significantly.",
        )
    ]


def multiverse_figures(arm: Arm) -> list[Figure]:
    """Return the figure of other analyses of the claims; none if none is judged."""
    found = shares(arm.record.claims)
    if not found:
        return []
    firm = sum(of[ALL] == 1 for of in found.values())
    least = min(found, key=lambda claim: found[claim][ALL])
    stand = "stands" if firm == 1 else "stand"
    return [
        Figure(
            name=f"multiverse-{arm.loss_input}",
            svg=figures.svg_text(draw_multiverse(arm.record.claims)),
            caption="In which share of other analyses the verdict on each sentence stands: in all "
            "of them, and in those with one score, set of images, choice of runs, test, margin, "
            "number of sides or correction. Grey: that sentence has no such analysis.",
            alt=f"Other analyses of {counted(len(found), 'claim')} with {arm.loss_input}: "
            f"{counted(firm, 'verdict')} {stand} in all, that on claim {least} in "
            f"{found[least][ALL]:.0%}.",
        )
    ]


def correction_figures(
    arm: Arm, pairs: pd.DataFrame, scores: Mapping[str, pd.DataFrame]
) -> list[Figure]:
    """Return the figures of the counterpart; ``scores`` are its tables by network."""
    replicates = figures.accuracies_on_test(scores)
    return [
        Figure(
            name="correction",
            svg=figures.svg_text(figures.draw_accuracy(arm.comparison, replicates)),
            caption=f"Test accuracy after training on {arm.loss_input}.",
            alt=f"Test accuracies after training on {arm.loss_input}: "
            f"{_accuracies(arm.comparison)}.",
        ),
        *(
            replace(figure, caption=f"All pairs of networks after training on {arm.loss_input}.")
            for figure in pairs_figures(arm, pairs)
        ),
        *(
            replace(figure, caption=f"Other analyses after training on {arm.loss_input}.")
            for figure in multiverse_figures(arm)
        ),
    ]


def describe_trust(loss_input: str, tables: TrustTables) -> Trust:
    """Return the table and the figures of an arm, trained on ``loss_input``."""
    calibration = compare_calibration(tables.calibration)
    robustness = compare_robustness(tables.robustness) if tables.robustness else None
    rows = trust_rows(calibration, robustness)
    bins = max(int(table["bin"].max()) for table in tables.calibration.values())
    errors = ", ".join(f"{row[0]} {row[1]}%" for row in rows)
    drawn = [
        Figure(
            name=f"calibration-{loss_input}",
            svg=figures.svg_text(figures.draw_reliability(tables.calibration)),
            caption=f"Reliability diagrams in {bins} bins, without those with few images.",
            alt=f"Expected calibration errors after training on {loss_input}: {errors}.",
        )
    ]
    if robustness is not None:
        means = ", ".join(f"{row[0]} {row[3]}%" for row in rows)
        drawn.append(
            Figure(
                name=f"robustness-{loss_input}",
                svg=figures.svg_text(figures.draw_robustness(robustness)),
                caption=f"Accuracy on at most {IMAGES:,} corrupted images, of "
                f"{len(CORRUPTIONS)} kinds.",
                alt=f"Mean accuracies on corrupted images after training on {loss_input}: {means}.",
            )
        )
    headings = TRUST_HEADINGS[: len(rows[0])]
    return Trust(loss_input=loss_input, headings=headings, rows=rows, figures=drawn)


def trust_rows(calibration: pd.DataFrame, robustness: pd.DataFrame | None) -> list[tuple[str, ...]]:
    """Return the cells of each network's row, in the order of TRUST_HEADINGS.

    ``calibration`` and ``robustness`` are those of compare_calibration and compare_robustness;
    without robustness, rows lack the last cell.
    """
    corrupted = {} if robustness is None else mean_robustness(robustness).to_dict()
    return [
        (
            str(row["network"]),
            _with_interval(row, "calibration_error"),
            _with_interval(row, "overconfidence", sign="+"),
            *([f"{100 * corrupted[row['network']]:.1f}"] if corrupted else []),
        )
        for _, row in calibration.iterrows()
    ]


def _with_interval(row: "pd.Series[float]", column: str, sign: str = "") -> str:
    half = (row[f"{column}_high"] - row[f"{column}_low"]) / 2
    text = f"{100 * row[column]:{sign}.1f}"
    return text if math.isnan(half) else f"{text} ± {100 * half:.1f}"


def _saved(name: str, caption: str, alt: str) -> Figure:
    """Return a figure that the stage compare has drawn."""
    svg = (FIGURES_DIR / f"{name}.svg").read_text(encoding="utf-8")
    return Figure(name, svg, caption, alt)


def _accuracies(comparison: pd.DataFrame) -> str:
    rows = comparison.to_dict("records")
    return ", ".join(f"{row['network']} {row['test_accuracy']:.1%}" for row in rows)
