"""Every kind of figure, drawn from made-up results."""

import numpy as np
import pandas as pd
from comparisons import COMPARISON, CURVES, REPLICATES
from made_up import CLAIMS, MadeUp, near, results
from made_up_trust import TABLES
from matplotlib.figure import Figure
from repositories import CLASSES

from fashionbench.analysis.calibration_and_robustness import compare_robustness
from fashionbench.analysis.pairs import compare_pairs
from fashionbench.claims.judging import judge
from fashionbench.page import figures

CONFUSION = pd.DataFrame(
    [
        {
            "seed": seed,
            "actual": actual,
            "predicted": predicted,
            "images": 90 if same else 10 * next_,
        }
        for seed in (0, 1)
        for row, actual in enumerate(CLASSES)
        for column, predicted in enumerate(CLASSES)
        for same, next_ in [(row == column, row == (column + 1) % 10)]
    ]
)
RESULTS = results({"n1_mlp": MadeUp(accuracy=near(0.80)), "n8_conv": MadeUp(accuracy=near(0.91))})
RECORDS = judge(CLAIMS, RESULTS).claims
PAIRS = compare_pairs(RESULTS).query("split == 'test'")
ERRORS = {
    "images": np.arange(3 * 784, dtype=np.uint8).reshape(3, 28, 28),
    "labels": np.array([6, 0, 9], np.uint8),
    "predictions": np.array([0, 6, 7], np.uint8),
}


def draw_all() -> dict[str, Figure]:
    """Draw each kind of figure once."""
    return {
        "network": figures.draw_network("good", CURVES["good"]),
        "curves": figures.draw_curves(CURVES, COMPARISON),
        "accuracy": figures.draw_accuracy(COMPARISON, REPLICATES),
        "costs": figures.draw_costs(COMPARISON, REPLICATES),
        "confusion": figures.draw_confusion(CONFUSION),
        "pairs": figures.draw_pairs(PAIRS),
        "calibration": figures.draw_reliability(TABLES.calibration),
        "robustness": figures.draw_robustness(compare_robustness(TABLES.robustness)),
        "filters": figures.draw_filters(
            np.linspace(-1, 1, 5 * 9, dtype=np.float32).reshape(5, 3, 3)
        ),
        "errors": figures.draw_errors(ERRORS, CLASSES),
    }
