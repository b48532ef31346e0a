"""What surrounds the article in a picture: frames, and a background of one or two tones."""

from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Grey = npt.NDArray[np.float32]
"""Grey values of shape (height, width), from 0 to 255."""
Mask = npt.NDArray[np.bool_]
Scalar = TypeVar("Scalar", bound=np.generic)
Box = tuple[slice, slice]
"""Rows and columns."""

TOLERANCE = 12.0
"""Grey values by which a background may vary and still be plain; more where it is noisy."""
_LARGEST_TOLERANCE = 40.0
_NOISE_DEVIATIONS = 4.5
_UNIFORM_SHARE = 0.9
"""Share of an outermost line that has the tone of a frame, if the line is a frame's."""
_INNER_SHARE = 0.85
"""Share of the first lines inside a frame that differ from it: articles may touch them."""
_SMALLEST_INSIDE = 0.3
"""Sides of what a frame surrounds, in those of the picture; below, it is no frame."""
_NARROWEST = 0.5
"""The shorter side of a photograph in its longer one, unless the frame is on two sides only."""
_ARTICLE_PERCENT = 0.5
"""Percent of a photograph that its article takes at least."""
_SPECK = 0.01
"""Area, in that of the picture, of what may lie on a frame: writing, or dust."""
_MOST_FRAMES = 8
_BLUR = 0.01
"""How far, in lengths of a side, a frame may seem to reach inwards in places."""
_TRIMMED = 0.01
"""What is cut off inside a frame, in lengths of a side: its edge is blurred."""
BUSY_SHARE = 0.5
"""Share of the edge that differs from the background found on it where none is plain."""
_STEP = 8.0
"""Grey values within four pixels of the edge that separate one tone from another."""
_BOUNDARY = 0.03
"""How far from both of two tones there may be values in between, in lengths of the shorter side."""
_LONGEST_BOUNDARY = 0.15
"""The same where the boundary is blurred, as its length along the edge tells."""
_LONGEST_LOGO = 0.25
"""Share of the edge that a single tone in one corner needs to be a background's."""


def inside_frames(grey: Grey) -> Box:
    """Return the part of a picture that is inside of all its frames, bars and borders.

    A frame is of one tone, reaches the picture's edges on at least one side, and surrounds a
    rectangle with corners, in which nothing but specks is left out.
    """
    top = left = 0
    for _ in range(_MOST_FRAMES):
        found = _inside_frame(grey)
        if found is None:
            break
        rows, columns = found
        grey, top, left = grey[found], top + rows.start, left + columns.start
    return slice(top, top + grey.shape[0]), slice(left, left + grey.shape[1])


def _inside_frame(grey: Grey) -> Box | None:
    lines = (grey[0], grey[-1], grey[:, 0], grey[:, -1])
    tones: list[float] = []
    for line in lines:
        tone, tolerance = float(np.median(line)), _tolerance(line)
        is_uniform = np.mean(np.abs(line - tone) <= tolerance) >= _UNIFORM_SHARE
        if not is_uniform or any(abs(tone - other) <= TOLERANCE for other in tones):
            continue
        tones.append(tone)
        # A frame may be a line that is set in from the edge.
        labels, areas = parts_of(ndimage.binary_fill_holes(np.abs(grey - tone) > tolerance))
        inside = (areas >= _SPECK * grey.size)[labels]
        if not inside.any():
            continue
        box = _without_blur(inside, box_of(inside))
        trimmed = widened(box, -round(_TRIMMED * min(inside[box].shape)), grey.shape)
        is_left_out = inside.sum() - inside[box].sum() > _SPECK * grey.size
        if not is_left_out and _is_framed(inside, box) and not _is_uniform(grey[trimmed]):
            return trimmed
    return None


def _without_blur(inside: Mask, box: Box) -> Box:
    """Return a box without the outermost lines that are only here and there inside a frame.

    They are a frame's own pixels, disturbed by compression or by noise.
    """
    rows, columns = box
    side = min(inside.shape)
    cut = max(round(_BLUR * side), min(3, round(2 * _BLUR * side)))
    for _ in range(2):
        rows = _filled(inside[:, columns].mean(axis=1), rows, cut)
        columns = _filled(inside[rows].mean(axis=0), columns, cut)
    return rows, columns


def _filled(shares: npt.NDArray[np.float64], part: slice, cut: int) -> slice:
    start, stop = part.start, part.stop
    while start < part.start + cut and start < stop - 3 and shares[start] < _INNER_SHARE:
        start += 1
    while stop > part.stop - cut and stop > start + 3 and shares[stop - 1] < _INNER_SHARE:
        stop -= 1
    return slice(start, stop)


def _is_framed(inside: Mask, box: Box) -> bool:
    """Tell whether what is inside is a rectangle with corners, smaller than the picture."""
    sides = [part.stop - part.start for part in box]
    shares = [side / length for side, length in zip(sides, inside.shape, strict=True)]
    if min(sides) < 3 or min(shares) < _SMALLEST_INSIDE or min(shares) == 1:
        return False
    if max(shares) < 1 and min(sides) < _NARROWEST * max(sides):
        return False
    return is_rectangle(inside[box])


def is_rectangle(mask: Mask) -> bool:
    """Tell whether a mask, cut to its box, has the outline and the four corners of a rectangle."""
    # A pixel further in: edges are blurred.
    core = mask[1:-1, 1:-1] if min(mask.shape) >= 50 else mask
    corner = max(1, round(0.02 * min(core.shape)))
    return all(
        side[:corner, :corner].all() and np.mean(side[0]) >= _INNER_SHARE for side in _sides(core)
    )


def _is_uniform(grey: Grey) -> bool:
    """Tell whether a rectangle has a single tone: then it is the article, and has no frame."""
    darkest, lightest = np.percentile(grey, (_ARTICLE_PERCENT, 100 - _ARTICLE_PERCENT))
    return bool(lightest - darkest <= 2 * TOLERANCE)


def background(grey: Grey) -> tuple[Grey, float] | None:
    """Return what a picture would show without its article, and by how much that may vary.

    It is found along the edge, in one or more tones or changing gently, and carried inwards; None
    if the edge is not plain.
    """
    found = _plain_edge(grey)
    if found is None:
        return None
    edge, tones = found
    tolerance = _tolerance(edge_values(grey) - edge)
    if np.mean(np.abs(edge_values(grey) - edge) > tolerance) > BUSY_SHARE:
        return None
    if np.ptp(edge) <= tolerance:
        return np.full_like(grey, np.median(edge)), tolerance
    if tones:
        return _of_tones(grey, tones, tolerance), tolerance
    if _meet_aslant(edge, grey.shape):
        return None
    return _carried_inwards(edge, grey.shape), tolerance


def _meet_aslant(edge: Grey, shape: tuple[int, ...]) -> bool:
    """Tell whether opposite edges change their tone at once in different places.

    Where the tones also change gradually, neither way of carrying them inwards holds.
    """
    height, width = shape
    top, right, bottom, left = np.split(edge, np.cumsum([width, height, width]))
    for one, other in ((top, bottom[::-1]), (right, left[::-1])):
        apart = ndimage.median_filter(one - other, 2 * round(0.03 * len(one)) + 1)
        if len(apart) > 4 and np.abs(apart[4:] - apart[:-4]).max() > 2 * TOLERANCE:
            return True
    return False


def _of_tones(grey: Grey, tones: list[float], tolerance: float) -> Grey:
    """Return for each pixel the tone of the nearest part of the background.

    Along the boundary of two tones, which is never sharp, that is the picture's own value.
    """
    edge = edge_values(grey)
    far = np.abs(edge[:, None] - np.array(tones)).min(axis=1) > tolerance
    between = far & (edge > min(tones)) & (edge < max(tones))
    lengths = np.bincount(ndimage.label(between)[0])[1:]
    most = _LONGEST_BOUNDARY * min(grey.shape)
    width = max(3, round(_BOUNDARY * min(grey.shape)), *lengths[lengths <= most])
    regions = []
    for tone in tones:
        labels, _ = ndimage.label(np.abs(grey - tone) <= tolerance)
        regions.append(np.isin(labels, np.setdiff1d(edge_values(labels), 0)))
    # In case of doubt, the nearer tone.
    best = np.argmin([np.abs(grey - tone) for tone in tones], axis=0)
    known = np.logical_or.reduce(regions)
    nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    surface = np.array(tones, np.float32)[best[tuple(nearest)]]
    wide = [
        ndimage.binary_dilation(region & (best == number), iterations=width)
        for number, region in enumerate(regions)
    ]
    boundary = (
        (np.sum(wide, axis=0) > 1)
        & (grey > min(tones) - tolerance)
        & (grey < max(tones) + tolerance)
    )
    return np.where(boundary, grey, surface)


def _edge_of(grey: Grey) -> tuple[Grey, npt.NDArray[np.intp]]:
    """Return the grey values around a picture, clockwise, and the places of its corners."""
    height, width = grey.shape
    depth = max(1, round(0.01 * min(height, width)))
    edge = np.concatenate([np.median(side[:depth], axis=0) for side in _sides(grey)])
    length = 2 * round(0.01 * len(edge)) + 1
    corners = np.cumsum([0, width, height, width])
    return ndimage.median_filter(edge, length, mode="wrap").astype(np.float32), corners


def _plain_edge(grey: Grey) -> tuple[Grey, list[float]] | None:
    """Return the background's values along the edge, also where an article or a logo touches it.

    In between what is surely background they are interpolated. If that is of a few tones, return
    these too, else none.
    """
    edge, corners = _edge_of(grey)
    runs = _background_runs(edge, corners)
    known = runs > 0
    if not known.any():
        return None
    numbers = np.unique(runs[known])
    tones: list[float] = []
    for tone in ndimage.median(edge, runs, numbers):
        if all(abs(tone - other) > TOLERANCE for other in tones):
            tones.append(float(tone))
    spans = ndimage.maximum(edge, runs, numbers) - ndimage.minimum(edge, runs, numbers)
    places = np.arange(len(edge))
    found = np.interp(places, places[known], edge[known], period=len(edge))
    known |= np.abs(edge - found) <= TOLERANCE
    found = np.interp(places, places[known], edge[known], period=len(edge))
    return found.astype(np.float32), tones if max(spans) <= 2 * TOLERANCE else []


def _background_runs(edge: Grey, corners: npt.NDArray[np.intp]) -> npt.NDArray[np.int32]:
    """Return the number of the run at each place of an edge, from 1; 0 if it may be an article's.

    The edge is cut into runs wherever its tone changes at once. Those are background that hold two
    corners, or one, if those of the same tone make up a quarter of the edge.
    """
    change = np.abs(np.roll(edge, -2) - np.roll(edge, 2))
    step = max(_STEP, 1.5 * _NOISE_DEVIATIONS * float(np.median(change)))
    runs = np.asarray(ndimage.label(change <= step)[0], np.int32)
    if runs[0] and runs[-1]:
        runs[runs == runs[-1]] = runs[0]
    ends = np.bincount(runs[corners], minlength=runs.max() + 1)
    lengths = np.bincount(runs) * (ends > 0)
    tones = np.array(ndimage.median(edge, runs, np.arange(len(ends))))
    alike = np.abs(tones[:, None] - tones) <= TOLERANCE
    is_background = (ends > 0) & (alike @ lengths >= _LONGEST_LOGO * len(edge)) | (ends > 1)
    is_background[0] = False
    return np.where(is_background[runs], runs, 0)


def _carried_inwards(edge: Grey, shape: tuple[int, ...]) -> Grey:
    """Return the surface over a picture that its values along the edge span.

    Coons's patch: exact for the sum of a function of the row and one of the column, such as a wall
    over a floor, and for what changes evenly in any direction (Coons, MIT MAC-TR-41, 1967).
    """
    height, width = shape
    top, right, bottom, left = np.split(edge, np.cumsum([width, height, width]))
    bottom, left = bottom[::-1], left[::-1]
    down, across = np.linspace(0, 1, height)[:, None], np.linspace(0, 1, width)[None]
    upper = top[0] * (1 - across) + top[-1] * across
    lower = bottom[0] * (1 - across) + bottom[-1] * across
    rows = left[:, None] * (1 - across) + right[:, None] * across
    columns = top * (1 - down) + bottom * down
    surface = rows + columns - upper * (1 - down) - lower * down
    return np.asarray(surface.clip(0, 255), np.float32)


def edge_values(array: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
    """Return the values along the four edges of an array of two dimensions, clockwise."""
    return np.concatenate([side[0] for side in _sides(array)])


def _sides(array: npt.NDArray[Scalar]) -> list[npt.NDArray[Scalar]]:
    """Return an array turned so that each of its edges is on top, clockwise."""
    return [np.rot90(array, turns) for turns in range(4)]


def parts_of(mask: Mask) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.intp]]:
    """Return the number of the connected part at each pixel, from 1, and their areas by number."""
    labels = np.asarray(ndimage.label(mask, np.ones((3, 3)))[0], np.int32)
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    return labels, areas


def box_of(mask: Mask) -> Box:
    """Return the smallest box around what a mask holds."""
    (box,) = ndimage.find_objects(mask.astype(np.int8))
    return cast(Box, box)


def widened(box: Box, margin: int, shape: tuple[int, ...]) -> Box:
    """Return a box with so many lines more on each side, as far as an array of a shape has them."""
    rows, columns = (
        slice(max(0, part.start - margin), min(length, part.stop + margin))
        for part, length in zip(box, shape, strict=True)
    )
    return rows, columns


def _tolerance(values: Grey) -> float:
    """Return by how much values of one tone may differ from it, by how far most of them do."""
    noise = _NOISE_DEVIATIONS * float(np.median(np.abs(values - np.median(values))))
    return min(max(noise, TOLERANCE), _LARGEST_TOLERANCE)
