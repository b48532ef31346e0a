"""Made-up results of studies, in which a test sets the curves that it is about."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
from made_up_trust import calibration

from fashionbench.analysis.results import Results
from fashionbench.params import Params
from fashionbench.paths import network_table
from fashionbench.studies.design import Design, Study
from fashionbench.tables import write_table

SEEDS = 5
_SPREAD = (-1.5, -0.5, 0.0, 0.5, 1.5)

Curve = Callable[[int], float]
"""An accuracy by the epoch."""


def design_of(params: Params, **declared: object) -> Design:
    """Declare a study of N4, unless something else is said, beside the project's parameters."""
    usual: dict[str, object] = {
        "title": "Made up",
        "question": "Why?",
        "cost": "nothing",
        "losses": ["probabilities"],
        "seeds": SEEDS,
        "networks": {"n4_dropout": {}},
    }
    return Design(Study.model_validate({**usual, **declared}), params)


def made_up(
    val: Mapping[str, Curve | float],
    train: Mapping[str, Curve | float] | None = None,
    epochs: Sequence[int] = (1, 2),
    spread: float = 0.001,
) -> Results:
    """Return results with these validation and train accuracies by the label of a point.

    Five seeds, ``spread`` apart; validation accuracies of the last epoch are the final ones.
    """
    curves, scores = {}, {}
    for label, of_val in val.items():
        of_train = (train or {}).get(label, 0.9)
        rows = [
            {
                "seed": seed,
                "epoch": epoch,
                "train_accuracy": _at(of_train, epoch),
                "val_accuracy": _at(of_val, epoch) + spread * _SPREAD[seed],
            }
            for seed in range(SEEDS)
            for epoch in epochs
        ]
        curves[label] = pd.DataFrame(rows)
        scores[label] = pd.DataFrame(
            [
                {
                    "seed": seed,
                    "split": split,
                    "loss": 1.6,
                    "accuracy": _at(of_val, epochs[-1]) + spread * _SPREAD[seed],
                    "accuracy Bag": 0.9,
                }
                for seed in range(SEEDS)
                for split in ("train", "val", "test")
            ]
        )
    return Results(curves=curves, scores=scores, weights={})


def write_tables(folder: Path, point: str, made_up: Results, name: str) -> None:
    """Write in a study's folder what trainings of a point would leave: the results of a network."""
    tables = {
        "curves": made_up.curves[name],
        "scores": made_up.scores[name],
        "weights": made_up.weights[name],
        "calibration": calibration(0.1, 0.2),
    }
    for table, rows in tables.items():
        write_table(rows, folder / network_table(point, table))


def _at(curve: Curve | float, epoch: int) -> float:
    return curve if isinstance(curve, float) else curve(epoch)
