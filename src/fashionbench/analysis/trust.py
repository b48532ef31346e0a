"""The tables by which networks are trusted: calibration and robustness, of one arm."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from fashionbench.evaluation.corruptions import CORRUPTIONS
from fashionbench.paths import network_table
from fashionbench.tables import read_table


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
