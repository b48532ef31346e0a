"""Draws images: the filters of a network, and images that it misclassifies."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from fashionbench.page.figures import STYLE, WIDTH, plain

_PITCH = 1.08
"""From one image to the next, in images."""


def draw_filters(filters: npt.NDArray[np.float32]) -> Figure:
    """Draw filters (n, height, width), each on its own scale: negative blue, positive red.

    Without any, draw a sentence that says so.
    """
    if not len(filters):
        with mpl.rc_context(STYLE):
            figure = Figure(figsize=(WIDTH, 0.5), layout="constrained")
            figure.text(0.5, 0.5, "No layer's weights are images", ha="center", va="center")
        return figure
    return _draw_grid(list(filters), [""] * len(filters), "RdBu_r", columns=4, centred=True)


def draw_errors(errors: Mapping[str, npt.NDArray[Any]], classes: Sequence[str]) -> Figure:
    """Draw misclassified images, titled with class and prediction.

    ``errors`` holds images (n, height, width[, 3]), labels (n,) and predictions (n,), as returned
    by :func:`fashionbench.evaluation.scores.worst_errors`.
    """
    titles = [
        f"{plain(classes[label])}\n→ {plain(classes[prediction])}"
        for label, prediction in zip(errors["labels"], errors["predictions"], strict=True)
    ]
    return _draw_grid(list(errors["images"]), titles, "gray", columns=4, centred=False)


def _draw_grid(
    images: list[npt.NDArray[Any]], titles: list[str], cmap: str, columns: int, *, centred: bool
) -> Figure:
    """Draw images in rows, all in one coordinate system of pixels: to make one takes long."""
    rows = max(1, -(-len(images) // columns))
    row_height = 1.65 if any(titles) else 1.2
    height, width = images[0].shape[:2] if images else (1, 1)
    down, across = (size * _PITCH for size in (height * row_height / 1.2, width))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, rows * row_height), layout="constrained")
        axes = figure.subplots()
        axes.axis("off")
        for place, (image, title) in enumerate(zip(images, titles, strict=True)):
            bottom, left = (place // columns + 1) * down, place % columns * across
            top = float(np.abs(image).max()) or 1.0
            low, high = (-top, top) if centred else (0, 255)
            box = (left, left + width, bottom, bottom - height)
            axes.imshow(image, cmap=cmap, vmin=low, vmax=high, extent=box, interpolation="nearest")
            axes.text(
                left + width / 2,
                bottom - 1.02 * height,
                title,
                fontsize=8,
                ha="center",
                va="bottom",
            )
        axes.set(xlim=(0, columns * across), ylim=(rows * down, 0))
    return figure
