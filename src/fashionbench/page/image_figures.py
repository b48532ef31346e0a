"""Draws images: the filters of a network, and images that it misclassifies."""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from fashionbench.data.splits import CLASSES
from fashionbench.page.figures import STYLE, WIDTH


def draw_filters(filters: npt.NDArray[np.float32]) -> Figure:
    """Draw filters (n, side, side), each on its own scale: negative blue, positive red."""
    return _draw_grid(list(filters), [""] * len(filters), "RdBu_r", columns=4, centred=True)


def draw_errors(errors: Mapping[str, npt.NDArray[Any]]) -> Figure:
    """Draw misclassified images, titled with class and prediction.

    ``errors`` holds images (n, side, side), labels (n,) and predictions (n,), as returned by
    :func:`fashionbench.evaluation.scores.worst_errors`.
    """
    titles = [
        f"{CLASSES[label]}\n→ {CLASSES[prediction]}"
        for label, prediction in zip(errors["labels"], errors["predictions"], strict=True)
    ]
    return _draw_grid(list(errors["images"]), titles, "gray", columns=4, centred=False)


def _draw_grid(
    images: list[npt.NDArray[Any]], titles: list[str], cmap: str, columns: int, *, centred: bool
) -> Figure:
    rows = max(1, -(-len(images) // columns))
    row_height = 1.65 if any(titles) else 1.2
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, rows * row_height), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes in grid:
            axes.axis("off")
        for axes, image, title in zip(grid, images, titles, strict=False):
            top = float(np.abs(image).max()) or 1.0
            low, high = (-top, top) if centred else (0, 255)
            axes.imshow(image, cmap=cmap, vmin=low, vmax=high, interpolation="nearest")
            axes.set_title(title, fontsize=8)
    return figure
