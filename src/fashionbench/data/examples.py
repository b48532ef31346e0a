"""Splits as tensors, for training and scoring."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from fashionbench.data.splits import load_split
from fashionbench.errors import ConfigError
from fashionbench.params import Device


@dataclass(frozen=True)
class Examples:
    """Images, uint8 of shape (n, height, width[, 3]), and labels, int64 of shape (n,)."""

    images: Tensor
    labels: Tensor


@lru_cache(maxsize=3)
def load_examples(path: Path, device: Device) -> Examples:
    """Return a split as tensors on the device; kept in the process for its next task.

    Raises ConfigError for a device that is not there, DataError for a file that is not a split.
    """
    check_device(device)
    split = load_split(path)
    images, labels = (torch.from_numpy(part).to(device) for part in (split.images, split.labels))
    return Examples(images, labels.long())


def check_device(device: Device) -> None:
    """Raise ConfigError for a device that this machine does not have."""
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device = 'cuda': there is no CUDA device here; use cpu")
