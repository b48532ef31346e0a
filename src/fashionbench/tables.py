"""Write and read tables, arrays and weights of stages."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pandas as pd
from safetensors.numpy import save

from fashionbench.errors import DataError
from fashionbench.paths import weights_file
from fashionbench.whole_files import replace_file


def write_weights(weights: bytes, network: str, seed: int) -> None:
    """Write the weights of one replicate, given as safetensors, into its file. Raises OSError."""
    replace_file(weights_file(network, seed), weights)


def write_arrays(arrays: Mapping[str, npt.NDArray[Any]], path: Path) -> None:
    """Write named arrays as safetensors. Raises OSError."""
    replace_file(path, save(dict(arrays)))


def write_table(rows: Sequence[Mapping[str, object]] | pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, numbers with six decimals: the rest of a seed's score is noise."""
    text = pd.DataFrame(rows).to_csv(index=False, float_format="%.6f", lineterminator="\n")
    replace_file(path, text.encode())


def read_table(path: Path) -> pd.DataFrame:
    """Read a table written by :func:`write_table`; DataError if there is none."""
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); run dvc repro") from error
