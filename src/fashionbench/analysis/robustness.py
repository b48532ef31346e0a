"""Accuracies on corrupted images, over seeds."""

from collections.abc import Mapping

import pandas as pd

from fashionbench.analysis.statistics import estimate

NONE = "none"
"""The kind of corruption of images as they are."""


def compare_robustness(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row per network, kind of corruption and strength; ``tables`` are by network.

    Columns: network, corruption, strength, and the mean accuracy over seeds with the ends of its
    95% interval (``low``, ``high``). Every table is that of
    :func:`fashionbench.evaluation.robustness.robustness_rows`.
    """
    rows = []
    for name, table in tables.items():
        for (kind, strength), of_kind in table.groupby(["corruption", "strength"], sort=False):
            found = estimate(of_kind["accuracy"].tolist())
            row = {"network": name, "corruption": kind, "strength": strength}
            rows.append(row | {"accuracy": found.mean, "low": found.low, "high": found.high})
    return pd.DataFrame(rows)


def curve_of(robustness: pd.DataFrame, network: str, kind: str) -> pd.DataFrame:
    """Return the rows of a network and a kind by strength, those of clean images first."""
    own = robustness[robustness["network"] == network]
    return own[own["corruption"].isin((NONE, kind))].sort_values("strength")


def mean_robustness(robustness: pd.DataFrame) -> "pd.Series[float]":
    """Return each network's mean accuracy over all kinds and strengths, by network."""
    corrupted = robustness[robustness["corruption"] != NONE]
    return corrupted.groupby("network", sort=False)["accuracy"].mean()
