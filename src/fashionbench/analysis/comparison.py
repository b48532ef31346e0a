"""The comparison of all networks, computed from the curves and scores of their replicates."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import pandas as pd

from fashionbench.analysis.statistics import estimate

if TYPE_CHECKING:
    # Counting costs imports torch, which reading a comparison does not need.
    from fashionbench.training.costs import Costs

SCORES = ("val_accuracy", "val_loss", "test_accuracy", "test_loss")
"""The scores that are compared, each by its mean and 95% interval over seeds."""


def compare_networks(
    curves: Mapping[str, pd.DataFrame],
    scores: Mapping[str, pd.DataFrame],
    costs: "Mapping[str, Costs]",
) -> pd.DataFrame:
    """Return one row per network, in the order of ``curves``.

    All arguments are keyed by network name. ``curves`` have the columns of
    :class:`fashionbench.training.epoch.Epoch`; ``scores`` have seed, split, loss and accuracy.
    Columns of the result: network, the fields of Costs, seeds (their number), and for each of
    SCORES and for best_val_accuracy the mean and the ends of its 95% interval (``_low``,
    ``_high``). best_val_accuracy is the maximum of the mean validation curve, reached in epoch
    best_val_epoch.
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


def summary_metrics(comparison: pd.DataFrame) -> dict[str, float]:
    """Return the metrics by which ``dvc exp show`` compares experiments: mean accuracies."""
    return {
        f"{row['network']}_{score}": round(float(row[score]), 6)
        for _, row in comparison.iterrows()
        for score in ("val_accuracy", "test_accuracy")
    }


def mean_curves(curve: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Average a network's learning curves over its seeds, as a table for ``dvc plots``.

    ``kind`` is loss or accuracy. Columns of the result: epoch, train and val, one row per epoch.
    """
    columns = {f"train_{kind}": "train", f"val_{kind}": "val"}
    return curve.groupby("epoch")[list(columns)].mean().rename(columns=columns).reset_index()


def _with_interval(name: str, values: "pd.Series[float]") -> dict[str, float]:
    found = estimate(values.tolist())
    return {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}
