"""Write and read tables and arrays of stages."""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load, save

from fashionbench.errors import DataError
from fashionbench.files import replace_file


def write_arrays(arrays: Mapping[str, npt.NDArray[Any]], path: Path) -> None:
    """Write named arrays as safetensors, base64 in JSON. Raises OSError.

    DVC's run cache restores no stage with an output in git, unless that is a plot; and it reads
    plots as text.
    """
    packed = b64encode(save(dict(arrays))).decode()
    replace_file(path, json.dumps({"safetensors": packed}).encode() + b"\n")


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read arrays written by :func:`write_arrays`; DataError if there are none."""
    try:
        return load(b64decode(json.loads(path.read_bytes())["safetensors"]))
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise DataError(f"{path} cannot be read ({error}); run dvc repro") from error


def write_table(rows: Sequence[Mapping[str, object]] | pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, numbers with six decimals: the rest of a seed's score is noise."""
    text = pd.DataFrame(rows).to_csv(index=False, float_format="%.6f", lineterminator="\n")
    replace_file(path, text.encode())


def read_table(path: Path) -> pd.DataFrame:
    """Read a table written by :func:`write_table`; DataError if there is none."""
    try:
        # Names of classes may be digits, or words that pandas takes for missing values.
        names = {"actual": str, "predicted": str}
        return pd.read_csv(path, dtype=names, keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); run dvc repro") from error
