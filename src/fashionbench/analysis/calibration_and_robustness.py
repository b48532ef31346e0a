"""By what networks are trusted: calibration, and accuracy on corrupted images, over seeds.

The expected calibration error is that of Guo et al. (ICML 2017, equation 3): the images are put
into bins by the probability of their predicted class, and the absolute differences of accuracy and
mean probability of the bins are averaged, weighted by their images. It is 0 for a network that is
right in 70% of the cases in which it says 70%. Within a bin, errors to both sides cancel; few
images in it let chance look like an error, by about 0.01 for 10,000 images in 15 bins.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from fashionbench.analysis.statistics import estimate, with_interval
from fashionbench.evaluation.corruptions import CORRUPTIONS
from fashionbench.paths import network_table
from fashionbench.tables import read_table

FEWEST = 20
"""Images of a bin, over all seeds, below which its accuracy is not shown."""


def calibration_error(table: pd.DataFrame, split: str = "test") -> "pd.Series[float]":
    """Return the expected calibration error of each seed, from 0 to 1.

    ``table`` is that of :func:`fashionbench.evaluation.scores.calibration_rows`.
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
    return pd.DataFrame(
        {
            "network": name,
            **with_interval("calibration_error", calibration_error(table).tolist()),
            **with_interval("overconfidence", overconfidence(table).tolist()),
        }
        for name, table in tables.items()
    )


NONE = "none"
"""The kind of corruption of images as they are."""


def compare_robustness(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row per network, kind of corruption and strength; ``tables`` are by network.

    Columns: network, corruption, strength, and the mean accuracy over seeds with the ends of its
    95% interval (``low``, ``high``). Every table is that of
    :func:`fashionbench.evaluation.trained.robustness_rows`.
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


@dataclass(frozen=True)
class TrustTables:
    """Tables of calibration and of robustness, by network, of one arm.

    Studies have no stage that scores corrupted images: none of ``robustness`` for their arms.
    """

    calibration: Mapping[str, pd.DataFrame]
    robustness: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path, networks: Iterable[str]) -> "TrustTables":
        """Read the tables of networks; ``folder`` is the one that holds metrics/.

        Raises DataError if a table is missing.
        """
        names = list(networks)
        return cls(
            *(
                {name: read_table(folder / network_table(name, table)) for name in names}
                for table in ("calibration", "robustness")
            )
        )


def units() -> dict[str, str]:
    """Return the unit of each kind of corruption's strength, by kind."""
    return {kind: corruption.unit for kind, corruption in CORRUPTIONS.items()}
