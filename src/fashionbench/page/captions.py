"""The page's figures with what is written below them, and what is read out in their place."""

from typing import Any

import pandas as pd

from fashionbench.analysis.comparison import FIGURES_DIR
from fashionbench.analysis.statistics import CONFIDENCE
from fashionbench.page.page import Figure

Row = dict[Any, Any]
"""One network of the comparison, by the names of its columns."""


def overview_figures(comparison: pd.DataFrame) -> list[Figure]:
    """The figures of all networks together."""
    rows = comparison.to_dict("records")
    accuracies = ", ".join(f"{row['network']} {_score(row, 'test_accuracy')}" for row in rows)
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
            "accuracy",
            f"Test accuracy: means over seeds and {CONFIDENCE:.0%} intervals. A network far below "
            "the others is named at the edge.",
            f"Test accuracies: {accuracies}.",
        ),
        _figure(
            "curves",
            "Validation loss and accuracy, means over seeds.",
            f"Highest mean validation accuracies: {curves}.",
        ),
        _figure(
            "costs",
            "Test accuracy against the number of trainable parameters, and against the "
            "floating-point operations of one training.",
            f"Costs: {costs}.",
        ),
    ]


def network_figures(row: Row) -> list[Figure]:
    """The figures of one network, given its row of the comparison."""
    name = str(row["network"])
    return [
        _figure(
            f"networks/{name}",
            f"Loss and accuracy, means over {row['seeds']} seeds and {CONFIDENCE:.0%} intervals.",
            f"Learning curves of {name}: validation accuracy ends at "
            f"{_score(row, 'val_accuracy')}, validation loss at {row['val_loss']:.4f}.",
        ),
        _figure(
            f"confusion/{name}",
            "What the test images of each class are taken for, over all seeds.",
            f"Confusion matrix of {name}, with a test accuracy of {_score(row, 'test_accuracy')}.",
        ),
        _figure(
            f"filters/{name}",
            "The strongest filters of the first layer: blue below zero, red above.",
            f"First-layer filters of {name} as images.",
        ),
        _figure(
            f"errors/{name}",
            "The wrong answers on test images of which it was the surest.",
            f"Test images that {name} takes for something else, each under its class and its "
            "answer.",
        ),
    ]


def correction_figures(comparison: pd.DataFrame, svg: str) -> list[Figure]:
    """The accuracies of the other arm, drawn as ``svg``."""
    accuracies = ", ".join(
        f"{row['network']} {_score(row, 'test_accuracy')}" for row in comparison.to_dict("records")
    )
    return [
        Figure(
            name="correction",
            svg=svg,
            caption=f"Test accuracy after training on logits, with {CONFIDENCE:.0%} intervals.",
            alt=f"Test accuracies after training on logits: {accuracies}.",
        )
    ]


def _figure(name: str, caption: str, alt: str) -> Figure:
    svg = (FIGURES_DIR / f"{name}.svg").read_text(encoding="utf-8")
    return Figure(name=name, svg=svg, caption=caption, alt=alt)


def _score(row: Row, column: str) -> str:
    return f"{row[column]:.1%}"
