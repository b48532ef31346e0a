"""Thumbnails of test images, as one picture that the page cuts up."""

import base64
import io

import numpy as np
import numpy.typing as npt
from PIL import Image

COLUMNS = 25
_BITS = 4
"""Of grey: half the bytes of eight, and no difference to be seen at this size."""
_COLOURS = 64


def contact_sheet(images: npt.NDArray[np.uint8], columns: int) -> npt.NDArray[np.uint8]:
    """Return images (n, height, width[, 3]) as one, ``columns`` side by side, on black."""
    count, height, width, *channels = images.shape
    rows = -(-count // columns)
    cells = np.zeros((rows * columns, *images.shape[1:]), np.uint8)
    cells[:count] = images
    grid = cells.reshape(rows, columns, height, width, *channels).swapaxes(1, 2)
    return grid.reshape(rows * height, columns * width, *channels)


def sprite(images: npt.NDArray[np.uint8]) -> str:
    """Return images (n, height, width[, 3]) as a PNG in a data URI: COLUMNS a row, row by row."""
    picture, file = Image.fromarray(contact_sheet(images, COLUMNS)), io.BytesIO()
    if images.ndim == 3:
        picture = Image.fromarray(np.asarray(picture) >> (8 - _BITS)).convert("P")
        levels = np.arange(2**_BITS) * 255 // (2**_BITS - 1)
        picture.putpalette(np.repeat(levels, 3).astype(np.uint8).tobytes())
        picture.save(file, format="PNG", bits=_BITS, optimize=True)
    else:
        picture.quantize(_COLOURS).save(file, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
