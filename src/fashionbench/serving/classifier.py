"""A network as it is served: raw pixels in, class probabilities out."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file

from fashionbench.errors import DataError
from fashionbench.params import Network, Precision
from fashionbench.training.networks import infer, restore

SIDE = 28
"""Pixels along each side of an image."""
BRIGHTEST = 255


class Classifier:
    """A trained network, on the CPU; it computes exactly as the evaluation stage does."""

    def __init__(self, network: Network, weights: Path, precision: Precision) -> None:
        self._module = restore(network, load_file(weights), "cpu")
        self._precision: Precision = precision

    def probabilities(self, images: object) -> npt.NDArray[np.float32]:
        """Of raw pixels (n, 28, 28), whole numbers or floats from 0 to 255: float32 (n, classes).

        Raises DataError for anything else.
        """
        pixels = torch.from_numpy(_check_pixels(images))
        logits = infer(self._module, pixels, self._precision)
        return cast(npt.NDArray[np.float32], logits.softmax(dim=1).numpy())


def _check_pixels(images: object) -> npt.NDArray[Any]:
    """The images as float32, which holds each of the 256 grey values exactly."""
    wanted = f"an array of shape (n, {SIDE}, {SIDE}) with pixels from 0 to {BRIGHTEST}"
    if not isinstance(images, np.ndarray):
        raise DataError(f"images are a {type(images).__name__}: must be {wanted}")
    if images.dtype.kind not in "uif":
        raise DataError(f"images are of type {images.dtype}: must be {wanted}")
    if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE) or not len(images):
        raise DataError(f"images are of shape {images.shape}: must be {wanted}, n at least 1")
    lowest, highest = images.min(), images.max()
    # Written so that nan, which is neither, is refused.
    if not (lowest >= 0 and highest <= BRIGHTEST):
        raise DataError(f"pixels are from {lowest} to {highest}: must be {wanted}")
    return images.astype(np.float32)
