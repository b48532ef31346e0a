"""Curves and scores of two made-up networks, and their comparison."""

import pandas as pd

from fashionbench.analysis.comparison import compare_networks
from fashionbench.page.figures import accuracies_on_test
from fashionbench.training.costs import Costs


def curve(*accuracies_by_seed: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "seed": seed,
                "epoch": epoch,
                "train_objective": 2.0,
                "train_loss": 2.0 - accuracy,
                "train_accuracy": accuracy,
                "val_loss": 1.9 - accuracy,
                "val_accuracy": accuracy,
            }
            for seed, accuracies in enumerate(accuracies_by_seed)
            for epoch, accuracy in enumerate(accuracies, start=1)
        ]
    )


def scores(*accuracies: float) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "seed": seed,
                "split": split,
                "loss": 2 - accuracy - shift,
                "accuracy": accuracy + shift,
            }
            for seed, accuracy in enumerate(accuracies)
            for split, shift in (("train", 0.02), ("val", 0.0), ("test", -0.01))
        ]
    )


CURVES = {
    "good": curve([0.80, 0.90, 0.85], [0.82, 0.88, 0.87]),
    "bad": curve([0.1, 0.1, 0.1], [0.1, 0.1, 0.1]),
}
COSTS = {
    "good": Costs(parameters=1234, train_teraflop=2.5),
    "bad": Costs(parameters=5, train_teraflop=0.1),
}
SCORES = {"good": scores(0.85, 0.87), "bad": scores(0.1, 0.1)}
COMPARISON = compare_networks(CURVES, SCORES, COSTS)
REPLICATES = accuracies_on_test(SCORES)
