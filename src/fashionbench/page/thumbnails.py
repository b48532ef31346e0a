"""Thumbnails of test images, as one picture that the page cuts up."""

import base64
import io

import numpy as np
import numpy.typing as npt
from PIL import Image

COLUMNS = 25
_BITS = 4
"""Of grey: half the bytes of eight, and no difference to be seen at this size."""


def sprite(images: npt.NDArray[np.uint8]) -> str:
    """Return images (n, side, side) as a PNG in a data URI: COLUMNS side by side, row by row."""
    count, side, _ = images.shape
    rows = -(-count // COLUMNS)
    cells = np.zeros((rows * COLUMNS, side, side), np.uint8)
    cells[:count] = images >> (8 - _BITS)
    grid = cells.reshape(rows, COLUMNS, side, side).swapaxes(1, 2)
    picture = Image.fromarray(grid.reshape(rows * side, COLUMNS * side)).convert("P")
    levels = np.arange(2**_BITS) * 255 // (2**_BITS - 1)
    picture.putpalette(np.repeat(levels, 3).astype(np.uint8).tobytes())
    file = io.BytesIO()
    picture.save(file, format="PNG", bits=_BITS, optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
