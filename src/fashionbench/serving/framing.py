"""Finds the article in a picture, and frames it as the images of Fashion-MNIST are.

Those show a light article on black, trimmed to its outline: its longer side takes all 28 pixels and
its shorter one is centred, with grey values up to 255 (Xiao, Rasul and Vollgraf, arXiv:1708.07747,
section 2).
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from fashionbench.errors import DataError
from fashionbench.serving.pixels import BRIGHTEST, SIDE

Grey = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Scalar = TypeVar("Scalar", bound=np.generic)
Box = tuple[slice, slice]
"""Rows and columns."""

_TOLERANCE = 12.0
"""Grey values by which a ground may vary and still be plain; more where its pixels are noisy."""
_NOISE_DEVIATIONS = 4.5
_LARGEST_TOLERANCE = 40.0
_BUSY_SHARE = 0.5
"""Share of a picture's edge that differs from its median where no ground is plain."""
_SMALLEST_PART = 0.02
"""Area of a part of an article in that of its largest part: anything smaller is dust."""
_MARGIN = 0.08
"""Ground around an article while its outline is looked for, in lengths of its longer side."""
_OUTLINE_SIDE = 224
"""Pixels of the longer side meanwhile: what is a steep edge depends on the scale."""
_DARKEST_SHADOW = 110.0
_STEEPNESS = (0.0, 5.0, 9.0)
"""Grey values per pixel above which an edge is an article's and no longer a shadow's; in turn."""
_BLURRED_SHARE = 15
"""Percent of an outline that may be less steep: articles have faint edges too."""
_LEAST_STEEPNESS = 4.0
_HIGHLIGHTS = 99.5
"""The percentile of an article's grey values that becomes white."""


@dataclass(frozen=True)
class Framed:
    """An image of shape (28, 28), uint8, and what was found in the picture.

    ``size`` is the width and height of the article in the picture's pixels; None if its ground is
    not plain, so that the whole picture was taken.
    """

    pixels: npt.NDArray[np.uint8]
    is_inverted: bool
    size: tuple[int, int] | None


def frame(grey: Grey) -> Framed:
    """Frame the article in a picture, given as grey values of shape (height, width).

    Raises DataError for a picture that shows nothing but its ground.
    """
    border = edge_values(grey)
    ground = float(np.median(border))
    noise = _NOISE_DEVIATIONS * float(np.median(np.abs(border - ground)))
    tolerance = min(max(noise, _TOLERANCE), _LARGEST_TOLERANCE)
    differing = np.abs(grey - ground) > tolerance
    if not differing.any():
        raise DataError("shows nothing but a plain ground")
    is_dark = bool((grey - ground)[differing].sum() < 0)
    # From 0 for the ground to 255 for the farthest that a pixel can be from it.
    contrast = (ground - grey) / ground if is_dark else (grey - ground) / (BRIGHTEST - ground)
    light = (contrast * BRIGHTEST).clip(0, BRIGHTEST).astype(np.float32)
    if np.mean(edge_values(differing)) > _BUSY_SHARE:
        return Framed(_fitted(light), is_dark, None)
    article = _without_dust(light > tolerance)
    rows, columns = _box(article)
    outlined = _outlined(light[_with_margin(rows, columns, light.shape)], tolerance, is_dark)
    size = (columns.stop - columns.start, rows.stop - rows.start)
    return Framed(_fitted(outlined), is_dark, size)


def edge_values(array: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
    """Return the values along the four edges of an array of two dimensions."""
    return np.concatenate([array[0], array[-1], array[:, 0], array[:, -1]])


def _outlined(light: Grey, tolerance: float, is_dark: bool) -> Grey:
    """Return the article alone, on black and trimmed to its outline, without its shadow."""
    # So that ground surrounds the article even where the picture ends.
    padded = np.pad(light, 2)
    scale = _OUTLINE_SIDE / max(padded.shape)
    height, width = (max(1, round(length * scale)) for length in padded.shape)
    scaled = _resized(padded, width, height, Image.Resampling.BILINEAR).astype(np.float32)
    article = scaled > tolerance
    # Only what is darker than its ground can be a shadow.
    if is_dark:
        article = _without_shadow(scaled, tolerance)
    article = _without_dust(article)
    if not article.any():
        return light  # Lines too thin to have an outline at this scale.
    alone = np.where(ndimage.binary_dilation(article, iterations=2), scaled, 0)[_box(article)]
    white = max(float(np.percentile(alone, _HIGHLIGHTS)), 1.0)
    return np.asarray((alone * (BRIGHTEST / white)).clip(0, BRIGHTEST), np.float32)


def _without_shadow(light: Grey, tolerance: float) -> Mask:
    """Return where the article is: what cannot be reached from the edges over gentle slopes.

    A soft shadow is gentle everywhere. How gentle depends on the lamp, so the slope is raised until
    most of the outline that is left is steep; an article that has no steep outline is kept whole.
    """
    down, right = np.gradient(ndimage.gaussian_filter(light, 1.0))
    slope = np.hypot(down, right)
    steepest_nearby = ndimage.maximum_filter(slope, 5)
    whole = light > tolerance
    for steepness in _STEEPNESS:
        gentle = ~whole | ((slope < steepness) & (light < _DARKEST_SHADOW))
        labels, _ = ndimage.label(np.pad(gentle, 1, constant_values=True))
        article = ndimage.binary_opening((labels != labels[0, 0])[1:-1, 1:-1])
        if not article.any():
            break
        outline = article & ~ndimage.binary_erosion(article, iterations=3)
        found = np.percentile(steepest_nearby[outline], _BLURRED_SHARE)
        if found >= max(steepness, _LEAST_STEEPNESS):
            return np.asarray(article)
    return np.asarray(article) if article.any() else whole


def _without_dust(mask: Mask) -> Mask:
    labels, parts = ndimage.label(mask, np.ones((3, 3)))
    if parts < 2:
        return mask
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    return np.asarray((areas >= _SMALLEST_PART * areas.max())[labels])


def _box(mask: Mask) -> Box:
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _with_margin(rows: slice, columns: slice, shape: tuple[int, ...]) -> Box:
    margin = max(2, round(_MARGIN * max(rows.stop - rows.start, columns.stop - columns.start)))
    wider = [
        slice(max(0, part.start - margin), min(length, part.stop + margin))
        for part, length in zip((rows, columns), shape, strict=True)
    ]
    return wider[0], wider[1]


def _fitted(light: Grey) -> npt.NDArray[np.uint8]:
    """Scale the longer side to 28 pixels, and centre the shorter one on black."""
    scale = SIDE / max(light.shape)
    height, width = (max(1, round(length * scale)) for length in light.shape)
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    fitted = np.zeros((SIDE, SIDE), np.uint8)
    fitted[top : top + height, left : left + width] = _resized(
        light, width, height, Image.Resampling.LANCZOS
    )
    return fitted


def _resized(
    light: Grey, width: int, height: int, method: Image.Resampling
) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.fromarray(light.astype(np.uint8)).resize((width, height), method))
