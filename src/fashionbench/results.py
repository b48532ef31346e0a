"""Where the stages leave and find results: folders, file names and table formats."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pandas as pd
from safetensors.numpy import save

from fashionbench.errors import DataError

CHECKPOINTS_DIR = Path("checkpoints")
METRICS_DIR = Path("metrics")
MODELS_DIR = Path("models")
PREPARED_DIR = Path("data/prepared")
PREDICTIONS_DIR = Path("data/predictions")
EXHIBITS_DIR = Path("data/exhibits")
SPLITS = ("train", "val", "test")


def repository_folder() -> Path:
    """The top of the repository, which DVC names also to stages that it runs in a copy."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


def checkpoints_folder() -> Path:
    """Where trainings go on from: outside of copies, which may be gone when DVC starts again."""
    return repository_folder() / CHECKPOINTS_DIR


def split_file(split: str) -> Path:
    """The prepared images of one of SPLITS."""
    return PREPARED_DIR / f"{split}.safetensors"


def weights_file(network: str, seed: int) -> Path:
    """The weights of one replicate, as safetensors."""
    return MODELS_DIR / network / f"seed_{seed}.safetensors"


def predictions_file(network: str) -> Path:
    """The predicted classes of the test images, as safetensors."""
    return PREDICTIONS_DIR / f"{network}.safetensors"


def exhibits_file(network: str) -> Path:
    """Images that show what a network learned and where it errs, as safetensors."""
    return EXHIBITS_DIR / f"{network}.safetensors"


def make_folders(network: str) -> None:
    """Make a network's folders: one that nobody may write to is better found out before training.

    Raises OSError.
    """
    for path in (weights_file(network, 0), network_table(network, "curves")):
        path.parent.mkdir(parents=True, exist_ok=True)


def write_weights(weights: bytes, network: str, seed: int) -> None:
    """Write the weights of one replicate."""
    weights_file(network, seed).write_bytes(weights)


def write_arrays(arrays: Mapping[str, npt.NDArray[Any]], path: Path) -> None:
    """Write named arrays as safetensors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(save(dict(arrays)))


def network_table(network: str, table: str) -> Path:
    """A table of one network: ``curves``, ``scores``, ``confusion`` or ``weights``."""
    return METRICS_DIR / "networks" / network / f"{table}.csv"


def write_table(rows: Sequence[Mapping[str, object]] | pd.DataFrame, path: Path) -> None:
    """Write a table as CSV; figures to six decimals, beyond which single seeds say nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(path, index=False, float_format="%.6f", lineterminator="\n")


def read_table(path: Path) -> pd.DataFrame:
    """Read a table written by :func:`write_table`; DataError if there is none."""
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); run dvc repro") from error
