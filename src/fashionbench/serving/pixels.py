"""The pixels that a network takes: 28 x 28, grey, from 0 to 255."""

from typing import Any

import numpy as np
import numpy.typing as npt

from fashionbench.errors import DataError

SIDE = 28
"""Pixels along each side of an image."""
BRIGHTEST = 255

_WANTED = f"an array of shape (n, {SIDE}, {SIDE}) with pixels from 0 to {BRIGHTEST}"


def check_pixels(images: object) -> npt.NDArray[Any]:
    """Return valid images as float32, which represents all 256 grey values exactly.

    Raises DataError for other shapes, types and values, and for images scaled to 0 to 1.
    """
    if not isinstance(images, np.ndarray):
        raise DataError(f"images are a {type(images).__name__}: must be {_WANTED}")
    if images.dtype.kind not in "uif":
        raise DataError(f"images are of type {images.dtype}: must be {_WANTED}")
    if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE) or not len(images):
        raise DataError(f"images are of shape {images.shape}: must be {_WANTED}, n at least 1")
    lowest, highest = images.min(), images.max()
    # Written so that nan fails.
    if not (lowest >= 0 and highest <= BRIGHTEST):
        raise DataError(f"pixels are from {lowest} to {highest}: must be {_WANTED}")
    if images.dtype.kind == "f":
        _refuse_scaled(images)
    return images.astype(np.float32)


def _refuse_scaled(images: npt.NDArray[Any]) -> None:
    """Raise DataError for an image that is not black and has no pixel above 1.

    To a network it would be all but black, and be answered as surely as any other.
    """
    brightest = images.max(axis=(1, 2))
    scaled = np.flatnonzero((brightest > 0) & (brightest <= 1))
    if len(scaled):
        raise DataError(
            f"image {scaled[0]} has floats from {images[scaled[0]].min():.3g} to "
            f"{brightest[scaled[0]]:.3g}: must be {_WANTED}; multiply by {BRIGHTEST}"
        )
