"""How far confidences are from accuracies, over seeds.

The expected calibration error is that of Guo et al. (ICML 2017, equation 3): the images are put
into bins by the probability of their predicted class, and the absolute differences of accuracy and
mean probability of the bins are averaged, weighted by their images. It is 0 for a network that is
right in 70% of the cases in which it says 70%. Within a bin, errors to both sides cancel; few
images in it let chance look like an error, by about 0.01 for 10,000 images in 15 bins.
"""

from collections.abc import Mapping

import pandas as pd

from fashionbench.analysis.statistics import estimate

FEWEST = 20
"""Images of a bin, over all seeds, below which its accuracy is not shown."""


def calibration_error(table: pd.DataFrame, split: str = "test") -> "pd.Series[float]":
    """Return the expected calibration error of each seed, from 0 to 1.

    ``table`` is that of :func:`fashionbench.evaluation.calibration.calibration_rows`.
    """
    bins = table[table["split"] == split]
    gaps = (bins["correct"] - bins["confidence"]).abs().groupby(bins["seed"]).sum()
    return gaps / bins.groupby("seed")["images"].sum()


def overconfidence(table: pd.DataFrame, split: str = "test") -> "pd.Series[float]":
    """Return each seed's mean probability of the predicted class, less its accuracy."""
    sums = table[table["split"] == split].groupby("seed")[["confidence", "correct", "images"]].sum()
    return (sums["confidence"] - sums["correct"]) / sums["images"]


def reliability(table: pd.DataFrame, split: str = "test") -> pd.DataFrame:
    """Return one row per bin with at least FEWEST images, over all seeds.

    Columns: confidence, the mean probability; accuracy with the ends of its 95% interval over the
    seeds that have images there (``low`` and ``high``, nan for a single one); images, their number.
    """
    rows = []
    for _, of_bin in table[(table["split"] == split) & (table["images"] > 0)].groupby("bin"):
        images = int(of_bin["images"].sum())
        if images >= FEWEST:
            found = estimate((of_bin["correct"] / of_bin["images"]).tolist())
            confidence = float(of_bin["confidence"].sum()) / images
            rows.append((confidence, found.mean, found.low, found.high, images))
    return pd.DataFrame(rows, columns=["confidence", "accuracy", "low", "high", "images"])


def compare_calibration(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row per network for the test images; ``tables`` are by network.

    Columns: network, and the means of ``calibration_error`` and ``overconfidence`` over seeds with
    the ends of their 95% intervals (``_low``, ``_high``).
    """
    rows = []
    for name, table in tables.items():
        row: dict[str, object] = {"network": name}
        row |= _with_interval("calibration_error", calibration_error(table))
        row |= _with_interval("overconfidence", overconfidence(table))
        rows.append(row)
    return pd.DataFrame(rows)


def _with_interval(name: str, values: "pd.Series[float]") -> dict[str, float]:
    found = estimate(values.tolist())
    return {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}
