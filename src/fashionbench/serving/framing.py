"""Finds the article in a picture, and frames it as the images of Fashion-MNIST are.

Those show a light article on black, trimmed to its outline: its longer side takes all 28 pixels and
its shorter one is centred, with grey values up to 255 (Xiao, Rasul and Vollgraf, arXiv:1708.07747,
section 2).
"""

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from fashionbench.errors import DataError
from fashionbench.serving.background import (
    BUSY_SHARE,
    TOLERANCE,
    Box,
    Grey,
    Mask,
    background,
    box_of,
    edge_values,
    inside_frames,
    parts_of,
    widened,
)
from fashionbench.serving.classifier import BRIGHTEST

SIDE = 28
"""Pixels along each side of an image of Fashion-MNIST."""
_SHORTEST = 25
"""Pixels of the longer side of an article that is as those of the data set are: none has fewer."""
_SMALLEST_SIDE = 14
"""Pixels of an article's longer side below which too little of it is left: with 13, n5 and n8 have
about 77% of the accuracy that they have with 28, with 11 about 70%."""
_NOT_PLAIN = "its background is not plain, so that the whole picture was taken"
_SEVERAL = "it shows several things, of which the one nearest the middle was taken"
_TWO_SIDES = "parts of it are lighter and others darker than the background, and some are left out"
_TOUCHES = "the article touches all edges of the picture: it may be cut off, or be in a frame"
_RECTANGLE = "the article has the corners of a photograph; if it is one, cut it out first"

_SMALLEST_PART = 0.02
"""Area of a part of an article in that of its largest part: anything smaller is dust."""
_GAP = 0.1
"""Farthest that a part is from the rest of an article, in lengths of its longer side."""
_RIVAL = 0.25
"""Area in that of the article from which anything else could have been meant instead."""
_AS_CENTRAL = 0.9
"""Of things of as much weight as this, in that of the first, the leftmost is taken."""
_PAIR = 1.3
"""Largest ratio of the sides of the two articles of a pair."""
_SAME_SHAPE = 0.8
"""Area that both of a pair cover when laid over each other, in the area of both together."""
_TRANSPARENT = 0.05
"""Opacity below which nothing is seen."""
_SHADOW = 0.6
"""Opacity below which something is a shadow, in that of the article."""
_CONVEX = 0.96
"""Area of a rectangle, an ellipse or the like in that of its convex hull, at least."""
_RIM, _RIM_SHARE = 0.02, 0.85
"""Width of a picture's rim in its shorter side, and the share of it that has a single tone."""
_PICTURE_SHARES = 0.02, 0.8
"""Share of what lies within such a rim that is of other tones."""
_OPPOSITE = 0.15
"""Area in that of the article from which something lighter than the background beside a darker
article, or the other way round, may have been meant, too."""
_DARK, _LIGHT = 80, 190
"""Mean grey values of articles that contrast with one of white and black only."""
_SMALL_PHOTOGRAPH = 0.6
"""Share of a picture below which a rectangle in it may well be an article."""
_MARGIN = 0.08
"""Background around an article while its outline is looked for, in lengths of its longer side."""
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

    ``size`` is the width and height of the article in the picture's pixels; None if nothing was
    cropped. ``is_cut_out`` tells whether an alpha channel gave its outline, and ``is_inverted``
    whether it was taken for darker than its background. ``warnings`` say what makes it doubtful.
    """

    pixels: npt.NDArray[np.uint8]
    is_inverted: bool
    size: tuple[int, int] | None = None
    is_cut_out: bool = False
    is_plain: bool = True
    warnings: tuple[str, ...] = ()


def frame(grey: Grey, alpha: Grey | None = None, *, keeps_frame: bool = False) -> Framed:
    """Frame the article in a picture, given as grey values and, if it has one, an alpha channel.

    Both are of shape (height, width), the latter from 0 for transparent to 1. A picture that
    ``keeps_frame`` is neither cropped nor resized if it looks like those of the data set. Raises
    DataError for a picture that shows nothing but its background.
    """
    if alpha is not None:
        return _cut_out(grey, alpha, keeps_frame)
    if keeps_frame and _is_of_the_data_set(grey):
        return _as_it_is(grey)
    photograph = grey[inside_frames(grey)]
    found = _on_background(photograph)
    if (found is None or not found.is_plain) and photograph.size < _SMALL_PHOTOGRAPH * grey.size:
        # What looked like a frame may be the background of an article with corners.
        found = _on_background(grey)
        found = found and replace(found, warnings=(*found.warnings, _RECTANGLE))
    if found is None:
        raise DataError("shows nothing but a plain background")
    return found


def _is_of_the_data_set(grey: Grey) -> bool:
    """Tell whether an article is trimmed to its outline, on black or on white."""
    level = float(np.median(edge_values(grey)))
    article = np.abs(grey - level) > TOLERANCE
    is_extreme = min(level, BRIGHTEST - level) <= TOLERANCE
    if not is_extreme or not article.any() or max(_size(article)) < _SHORTEST:
        return False
    box = inside_frames(grey)
    # Beside an article that is a rectangle its background looks like a frame on two sides.
    return not all(part.start > 0 and part.stop < SIDE for part in box)


def _as_it_is(grey: Grey) -> Framed:
    """Invert a picture of 28 x 28 pixels if its border is light, and do nothing else."""
    level = float(np.median(edge_values(grey)))
    is_inverted = level > BRIGHTEST // 2
    pixels = (BRIGHTEST - grey if is_inverted else grey).astype(np.uint8)
    return Framed(pixels, is_inverted)


def _on_background(grey: Grey) -> Framed | None:
    """Frame an article that differs from its background; None if nothing does."""
    found = background(grey)
    ground, tolerance = found or (np.full_like(grey, np.median(edge_values(grey))), TOLERANCE)
    away = grey - ground
    differing = np.abs(away) > tolerance
    if not differing.any():
        return None
    is_dark = bool(away[differing].sum() < 0)
    # From 0 for the background to 255 for the farthest that a pixel can be from it.
    contrast = -away / ground.clip(1) if is_dark else away / (BRIGHTEST - ground).clip(1)
    light = (contrast * BRIGHTEST).clip(0, BRIGHTEST).astype(np.float32)
    if found is None or np.mean(edge_values(differing)) > BUSY_SHARE:
        return Framed(_fitted(light), is_dark, is_plain=False, warnings=(_NOT_PLAIN,))
    article, warnings = _nearest_the_middle(light > tolerance)
    others = (light > tolerance) & ~article
    light[ndimage.binary_dilation(others, iterations=2) & ~article] = 0
    margin = max(2, round(_MARGIN * max(_size(article))))
    around = widened(box_of(article), margin, light.shape)
    outlined = _outlined(light[around], tolerance, is_dark)
    if outlined[inside_frames(outlined)].size < outlined.size or _is_a_picture(outlined, tolerance):
        # Probably a framed photograph that lies on the background, perhaps with a shadow.
        warnings = (*warnings, _RECTANGLE)
    opposite = differing & ((away > 0) if is_dark else (away < 0))
    if _SEVERAL not in warnings and parts_of(opposite)[1].max() >= _OPPOSITE * article.sum():
        warnings = (*warnings, _TWO_SIDES)
    if all(side.any() for side in (article[0], article[-1], article[:, 0], article[:, -1])):
        warnings = (*warnings, _TOUCHES)
    warnings = (*warnings, *_too_small(article))
    return Framed(_fitted(_spread(outlined)), is_dark, _size(article), warnings=warnings)


def _cut_out(grey: Grey, alpha: Grey, keeps_frame: bool) -> Framed:
    """Frame an article whose outline an alpha channel gives, on black or on white.

    Where the channel is a plain shape, such as a rectangle or an ellipse, it rather shows a whole
    photograph; what surrounds that gets the tones of its rim.
    """
    seen = alpha > _TRANSPARENT
    if not seen.any():
        raise DataError("is transparent everywhere")
    opaque = float(np.percentile(alpha[seen], 95))
    solid = alpha >= _SHADOW * opaque
    box = box_of(solid)
    if not keeps_frame and _is_plain_shape(solid[box]):
        rim = ~ndimage.binary_erosion(solid, iterations=2)
        nearest = ndimage.distance_transform_edt(rim, return_distances=False, return_indices=True)
        photograph = grey[tuple(nearest)][box]
        found = _on_background(photograph[inside_frames(photograph)])
        if found and found.is_plain:
            return found
    # A single tone that is mostly half transparent is an image in shades of opacity.
    is_drawn = np.median(alpha[seen]) < 0.85 * opaque and np.ptp(grey[seen]) <= 4
    outline = alpha * (seen if is_drawn else ndimage.binary_dilation(solid)) / opaque
    article, warnings = _nearest_the_middle(outline > 0)
    is_dark = not _is_light(grey, article)
    light = (BRIGHTEST - grey if is_dark else grey) * outline.clip(0, 1) * article
    warnings = (*warnings, *_too_small(article))
    if keeps_frame:
        return Framed(_fitted(_spread(light)), is_dark, None, True, warnings=warnings)
    pixels = _fitted(_spread(light[box_of(article)]))
    return Framed(pixels, is_dark, _size(article), True, warnings=warnings)


def _is_plain_shape(mask: Mask) -> bool:
    """Tell whether a mask, cut to its box, is convex, as a rectangle is at any angle."""
    rim = np.argwhere(mask & ~ndimage.binary_erosion(mask))
    try:
        corners = rim[ConvexHull(rim).vertices]
    except (QhullError, ValueError):
        return False  # A line or a point.
    hull = Image.new("1", mask.shape[::-1])
    ImageDraw.Draw(hull).polygon([(int(x), int(y)) for y, x in corners], fill=1)
    return bool(mask.sum() >= _CONVEX * np.asarray(hull).sum())


def _is_a_picture(light: Grey, tolerance: float) -> bool:
    """Tell whether what was found has a plain shape, a rim of one tone, and other tones within."""
    mask = ndimage.binary_fill_holes(light > tolerance)
    width = max(1, round(_RIM * min(mask.shape)))
    outer, inner = (_eroded(mask, lines) for lines in (width, 3 * width))
    rim = outer & ~inner
    if not inner.any() or not rim.any() or not _is_plain_shape(mask):
        return False
    is_plain = np.abs(light - np.median(light[rim])) <= TOLERANCE
    least, most = _PICTURE_SHARES
    return bool(is_plain[rim].mean() >= _RIM_SHARE and least <= np.mean(~is_plain[inner]) <= most)


def _eroded(mask: Mask, lines: int) -> Mask:
    """Return a mask without its outermost lines, also where it ends with the picture."""
    return np.asarray(ndimage.binary_erosion(np.pad(mask, 1), iterations=lines)[1:-1, 1:-1])


def _is_light(grey: Grey, article: Mask) -> bool:
    """Tell whether an article contrasts more with black than with white.

    Where both would do, its rim decides, which keeps something of the background it was cut from.
    """
    level = float(grey[article].mean())
    if not _DARK < level < _LIGHT:
        return level > _DARK
    inner = ndimage.binary_erosion(article, iterations=max(1, max(_size(article)) // SIDE))
    return bool(inner.any() and grey[article & ~inner].mean() < grey[inner].mean())


def _size(article: Mask) -> tuple[int, int]:
    """Return the width and the height of an article."""
    rows, columns = box_of(article)
    return columns.stop - columns.start, rows.stop - rows.start


def _too_small(article: Mask) -> tuple[str, ...]:
    width, height = _size(article)
    if max(width, height) >= _SMALLEST_SIDE:
        return ()
    return (f"the article is only {width} x {height} pixels large, too small to tell much",)


def _nearest_the_middle(mask: Mask) -> tuple[Mask, tuple[str, ...]]:
    """Return what is large and near the middle, with its other parts, and what makes it doubtful.

    Its parts are near it. The second article of a pair is left out; so is everything else, with a
    warning if it is large.
    """
    labels, areas = parts_of(mask)
    areas[areas < _SMALLEST_PART * areas.max()] = 0
    boxes = [cast(Box, box) for box in ndimage.find_objects(labels)]
    weights = {
        int(number): areas[number] * _centrality(boxes[number - 1], mask.shape)
        for number in np.flatnonzero(areas)
    }
    least = _AS_CENTRAL * max(weights.values())
    likely = [number for number, weight in weights.items() if weight >= least]
    first = min(likely, key=lambda number: boxes[number - 1][1].start)
    others = [o for o in weights if o != first and not _are_a_pair(labels, boxes, first, o)]
    article = labels == first
    reach = _GAP * max(_size(article))
    while others:
        distance = ndimage.distance_transform_edt(~article)
        near = [other for other in others if distance[labels == other].min() <= reach]
        if not near:
            break
        article |= np.isin(labels, near)
        others = [other for other in others if other not in near]
    is_doubtful = any(areas[other] >= _RIVAL * areas[first] for other in others)
    return article, (_SEVERAL,) if is_doubtful else ()


def _centrality(box: Box, shape: tuple[int, ...]) -> float:
    """Return 1 for a box around the middle of a picture, 0 for one that is a point on its edge."""
    lengths = zip(box, shape, strict=True)
    return 1 - max(float(abs((part.start + part.stop) / length - 1)) for part, length in lengths)


def _are_a_pair(labels: npt.NDArray[np.int32], boxes: list[Box], first: int, second: int) -> bool:
    """Tell whether two parts are of about the same size and, perhaps mirrored, the same shape."""
    one, other = (labels[boxes[number - 1]] == number for number in (first, second))
    sides = [a / b for a, b in zip(one.shape, other.shape, strict=True)]
    if not all(1 / _PAIR <= side <= _PAIR for side in sides):
        return False
    resized = np.asarray(Image.fromarray(other).resize(one.shape[::-1]))
    return any(
        (one & shape).sum() >= _SAME_SHAPE * (one | shape).sum()
        for shape in (resized, np.fliplr(resized))
    )


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
    labels, areas = parts_of(article)
    article = (areas >= max(1, _SMALLEST_PART * areas.max()))[labels]
    if not article.any():
        return light  # Lines too thin to have an outline at this scale.
    alone = np.where(ndimage.binary_dilation(article, iterations=2), scaled, 0)
    return np.asarray(alone[box_of(article)], np.float32)


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


def _spread(light: Grey) -> Grey:
    """Return an article's grey values spread to 255."""
    white = max(float(np.percentile(light, _HIGHLIGHTS)), 1.0)
    return np.asarray((light * (BRIGHTEST / white)).clip(0, BRIGHTEST), np.float32)


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
