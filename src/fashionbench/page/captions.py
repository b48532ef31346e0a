"""The page's figures with their captions and alternative texts."""

from typing import Any

import pandas as pd

from fashionbench.analysis.files import FIGURES_DIR
from fashionbench.analysis.statistics import CONFIDENCE
from fashionbench.page.page import Figure

Row = dict[Any, Any]
"""One network's row of the comparison, by column."""


def overview_figures(comparison: pd.DataFrame) -> list[Figure]:
    """Return the figures that show all networks together."""
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
            f"Test accuracy: means over seeds with {CONFIDENCE:.0%} intervals. Networks far below "
            "the others are marked at the edge with their accuracy.",
            f"Test accuracies: {accuracies}.",
        ),
        _figure(
            "curves",
            "Validation loss and accuracy by epoch: means over seeds.",
            f"Highest mean validation accuracies: {curves}.",
        ),
        _figure(
            "costs",
            "Test accuracy against the number of trainable parameters, and against the "
            "floating-point operations to train one replicate.",
            f"Costs: {costs}.",
        ),
    ]


def network_figures(row: Row) -> list[Figure]:
    """Return the figures of one network; ``row`` is that of the comparison."""
    name = str(row["network"])
    return [
        _figure(
            f"networks/{name}",
            f"Loss and accuracy by epoch: means over {row['seeds']} seeds with {CONFIDENCE:.0%} "
            "intervals.",
            f"Learning curves of {name}: validation accuracy ends at "
            f"{_score(row, 'val_accuracy')}, validation loss at {row['val_loss']:.4f}.",
        ),
        _figure(
            f"confusion/{name}",
            "Confusion matrix of the test images: shares of each class, over all seeds.",
            f"Confusion matrix of {name}, at a test accuracy of {_score(row, 'test_accuracy')}.",
        ),
        _figure(
            f"filters/{name}",
            "The first layer's filters of largest norm: negative weights blue, positive red.",
            f"First-layer filters of {name} as images.",
        ),
        _figure(
            f"errors/{name}",
            "The misclassified test images of highest confidence: class → prediction.",
            f"Test images that {name} misclassifies with the highest confidence, each titled "
            "with its class and the prediction.",
        ),
    ]


def correction_figures(comparison: pd.DataFrame, svg: str) -> list[Figure]:
    """Return the figure of the counterpart's accuracies, drawn as ``svg``."""
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
