"""A trained network for serving: raw pixels in, class probabilities out."""

import json
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file

from fashionbench.errors import DataError
from fashionbench.params import Network, Precision
from fashionbench.serving.preprocessing import SIDE
from fashionbench.training.networks import infer, restore

BRIGHTEST = 255


class Classifier:
    """A trained network on the CPU, with the arithmetic of the evaluation stage."""

    def __init__(self, network: Network, weights: Path, precision: Precision) -> None:
        self._module = restore(network, load_file(weights), "cpu")
        self._precision: Precision = precision

    @classmethod
    def load(cls, network: Path, weights: Path) -> Self:
        """Load a network from its weights and a JSON file with ``network`` and ``precision``.

        ``network`` holds the fields of :class:`fashionbench.params.Network`.
        """
        config = json.loads(network.read_text(encoding="utf-8"))
        return cls(Network(**config["network"]), weights, config["precision"])

    def probabilities(self, images: object) -> npt.NDArray[np.float32]:
        """Return float32 probabilities (n, classes) for raw pixels (n, 28, 28).

        Pixels are integers or floats from 0 to 255. Raises DataError for anything else.
        """
        pixels = torch.from_numpy(_check_pixels(images))
        logits = infer(self._module, pixels, self._precision)
        return cast(npt.NDArray[np.float32], logits.softmax(dim=1).numpy())


def _check_pixels(images: object) -> npt.NDArray[Any]:
    """Return valid images as float32, which represents all 256 grey values exactly."""
    wanted = f"an array of shape (n, {SIDE}, {SIDE}) with pixels from 0 to {BRIGHTEST}"
    if not isinstance(images, np.ndarray):
        raise DataError(f"images are a {type(images).__name__}: must be {wanted}")
    if images.dtype.kind not in "uif":
        raise DataError(f"images are of type {images.dtype}: must be {wanted}")
    if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE) or not len(images):
        raise DataError(f"images are of shape {images.shape}: must be {wanted}, n at least 1")
    lowest, highest = images.min(), images.max()
    # Written so that nan fails.
    if not (lowest >= 0 and highest <= BRIGHTEST):
        raise DataError(f"pixels are from {lowest} to {highest}: must be {wanted}")
    return images.astype(np.float32)
