"""The comparison: what the replicates' curves and scores say of each network."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import pandas as pd

from fashionbench.analysis.statistics import estimate
from fashionbench.paths import METRICS_DIR

if TYPE_CHECKING:
    # Counting costs takes torch, and reading a comparison does not.
    from fashionbench.analysis.costs import Costs

COMPARISON_FILE = METRICS_DIR / "comparison.csv"
SUMMARY_FILE = METRICS_DIR / "summary.json"
FIGURES_DIR = METRICS_DIR / "figures"
MEAN_CURVES_DIR = METRICS_DIR / "curves"

KINDS = ("loss", "accuracy")
"""What a learning curve shows, of the train and of the validation images."""
SCORES = ("val_accuracy", "val_loss", "test_accuracy", "test_loss")
"""The scores that are compared, each with its mean and its interval over seeds."""


def compare_networks(
    curves: Mapping[str, pd.DataFrame],
    scores: Mapping[str, pd.DataFrame],
    costs: "Mapping[str, Costs]",
) -> pd.DataFrame:
    """One row a network, by its name, in the order of ``curves``.

    ``curves`` are of the columns of training.Epoch, ``scores`` of seed, split, loss and accuracy.
    Columns of the result: network, those of Costs, seeds (how many), then mean, ``_low`` and
    ``_high`` (95% interval) of each of SCORES, and of best_val_accuracy, the highest point of
    the mean curve over seeds, which is reached in epoch best_val_epoch.
    """
    rows = []
    for name, curve in curves.items():
        row: dict[str, object] = {"network": name} | asdict(costs[name])
        row["seeds"] = curve["seed"].nunique()
        for score in SCORES:
            split, _, kind = score.partition("_")
            table = scores[name]
            row |= _with_interval(score, table.loc[table["split"] == split, kind])
        by_epoch = curve.groupby("epoch")["val_accuracy"]
        best_epoch = by_epoch.mean().idxmax()
        row |= _with_interval("best_val_accuracy", by_epoch.get_group(best_epoch))
        row["best_val_epoch"] = best_epoch
        rows.append(row)
    return pd.DataFrame(rows)


def summarise(comparison: pd.DataFrame) -> dict[str, float]:
    """The few numbers that experiments are compared by: mean accuracies, as flat names."""
    return {
        f"{row['network']}_{score}": round(float(row[score]), 6)
        for _, row in comparison.iterrows()
        for score in ("val_accuracy", "test_accuracy")
    }


def mean_curves(curve: pd.DataFrame, kind: str) -> pd.DataFrame:
    """A network's learning curves as means over its seeds: epoch, train and val, one row an epoch.

    ``kind`` is loss or accuracy. ``dvc plots`` draws these tables.
    """
    columns = {f"train_{kind}": "train", f"val_{kind}": "val"}
    return curve.groupby("epoch")[list(columns)].mean().rename(columns=columns).reset_index()


def _with_interval(name: str, values: "pd.Series[float]") -> dict[str, float]:
    found = estimate(values.tolist())
    return {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}
