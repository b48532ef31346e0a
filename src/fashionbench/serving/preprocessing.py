"""Converts a photograph to the format of Fashion-MNIST: 28 x 28, grey, light on black."""

from dataclasses import dataclass
from pathlib import Path
from warnings import catch_warnings, simplefilter

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from fashionbench.errors import DataError

SIDE = 28
"""Pixels along each side of an image."""
_FORMATS = ("PNG", "JPEG")
_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
"""Raised by Pillow for files that are damaged or too large."""
_WHITE = (255, 255, 255, 255)


@dataclass(frozen=True)
class Picture:
    """An image of shape (28, 28), uint8, and the conversions applied to it, in words."""

    pixels: npt.NDArray[np.uint8]
    changes: tuple[str, ...]


def read_picture(path: Path) -> Picture:
    """Read a PNG or JPEG file. Raises DataError for anything else."""
    try:
        with catch_warnings():
            # A file of a few bytes can declare an image larger than memory.
            simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as opened:
                return to_fashion_mnist(ImageOps.exif_transpose(opened))
    except UnidentifiedImageError as error:
        raise DataError(f"{path} is neither a PNG nor a JPEG image; convert it to one") from error
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; name a PNG or JPEG image") from error
    except _UNREADABLE as error:
        raise DataError(f"{path} cannot be read ({error}); is it damaged?") from error


def to_fashion_mnist(image: Image.Image) -> Picture:
    """Convert an image of any size and mode to the format of Fashion-MNIST.

    Transparent pixels become white. An image with a light border is inverted, since Fashion-MNIST
    shows articles on black. One that is not square is padded with its own background, which keeps
    its proportions.
    """
    changes = []
    if image.has_transparency_data:
        background = Image.new("RGBA", image.size, _WHITE)
        image = Image.alpha_composite(background, image.convert("RGBA"))
        changes.append("put on white")
    if image.mode != "L":
        image = image.convert("L")
        changes.append("made grey")
    border = _border(np.asarray(image))
    if np.median(border) > 127:
        image = ImageOps.invert(image)
        border = 255 - border
        changes.append("inverted")
    if image.width != image.height:
        side, colour = max(image.size), int(np.median(border))
        image = ImageOps.pad(image, (side, side), color=colour)
        changes.append("padded to a square")
    if image.size != (SIDE, SIDE):
        changes.append(f"resized from {image.width} x {image.height}")
        image = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return Picture(np.asarray(image, dtype=np.uint8), tuple(changes))


def _border(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the values along the four edges."""
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
