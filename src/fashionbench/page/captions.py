"""The page's figures with their captions and alternative texts."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from fashionbench.analysis.files import FIGURES_DIR
from fashionbench.analysis.statistics import CONFIDENCE
from fashionbench.page import figures, verdict_figures
from fashionbench.page.page import Arm, Figure

Row = dict[Any, Any]
"""One network's row of the comparison, by column."""


def first_figures(arm: Arm) -> list[Figure]:
    """Return the figure of the first screen: accuracies."""
    return [
        _figure(
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
        f"{row['network']} {_score(row, 'best_val_accuracy')} in epoch {row['best_val_epoch']}"
        for row in rows
    )
    costs = ", ".join(
        f"{row['network']} {row['parameters']:,} parameters and {row['train_teraflop']:.2f} "
        "trillion operations"
        for row in rows
    )
    return [
        _figure(
            "curves",
            "Validation scores by epoch: means over seeds; thin lines are replicates.",
            f"Highest mean validation accuracies: {curves}.",
        ),
        _figure(
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
        _figure(
            f"networks/{name}",
            "Learning curves.",
            f"Learning curves of {name}: validation accuracy ends at "
            f"{_score(row, 'val_accuracy')}, validation loss at {row['val_loss']:.4f}.",
        ),
        _figure(
            f"confusion/{name}",
            "Confusion matrix.",
            f"Confusion matrix of {name}, at a test accuracy of {_score(row, 'test_accuracy')}.",
        ),
        _figure(
            f"filters/{name}",
            "Filters.",
            f"First-layer filters of {name} as images.",
        ),
        _figure(
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
            svg=figures.svg_text(verdict_figures.draw_pairs(on_test)),
            caption="All pairs of networks on the test images. Above the diagonal: row minus "
            "column, in points; a star marks what paired t tests find significant after Holm's "
            f"correction. Below it: how often, in per cent, a run of the row beats one of the "
            f"column.{images} metrics/pairs.csv has the numbers.",
            alt=f"Matrix of {len(on_test)} pairs of networks trained on {arm.loss_input}: "
            f"{significant} of them differ significantly.",
        )
    ]


def correction_figures(
    arm: Arm, pairs: pd.DataFrame, scores: Mapping[str, pd.DataFrame]
) -> list[Figure]:
    """Return the figures of the counterpart; ``scores`` are its tables by network."""
    replicates = figures.accuracies_on_test(scores)
    accuracies = _accuracies(arm.comparison)
    return [
        Figure(
            name="correction",
            svg=figures.svg_text(figures.draw_accuracy(arm.comparison, replicates)),
            caption=f"Test accuracy after training on {arm.loss_input}.",
            alt=f"Test accuracies after training on {arm.loss_input}: {accuracies}.",
        ),
        *pairs_figures(arm, pairs),
    ]


def _figure(name: str, caption: str, alt: str) -> Figure:
    svg = (FIGURES_DIR / f"{name}.svg").read_text(encoding="utf-8")
    return Figure(name=name, svg=svg, caption=caption, alt=alt)


def _score(row: Row, column: str) -> str:
    return f"{row[column]:.1%}"


def _accuracies(comparison: pd.DataFrame) -> str:
    rows = comparison.to_dict("records")
    return ", ".join(f"{row['network']} {_score(row, 'test_accuracy')}" for row in rows)
