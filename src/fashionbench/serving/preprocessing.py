"""Converts a photograph to the format of Fashion-MNIST: 28 x 28, grey, light on black."""

import struct
from dataclasses import dataclass
from pathlib import Path
from warnings import catch_warnings, simplefilter

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from fashionbench.errors import DataError
from fashionbench.serving.framing import edge_values, frame
from fashionbench.serving.pixels import BRIGHTEST, SIDE

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP")
"""As Pillow names them: what web browsers show. Of a moving picture the first frame is taken."""
_READ = "PNG, JPEG, WebP, AVIF, GIF or BMP"
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_UNREADABLE = (
    OSError,
    EOFError,
    RuntimeError,
    SyntaxError,
    struct.error,
    ValueError,
    OverflowError,
    IndexError,
    KeyError,
    TypeError,
)
"""Raised by Pillow for files that are damaged."""
_LARGEST_SIDE = 1024
"""Pixels to which a larger picture is reduced at once, so that the rest takes little memory."""
_ORIENTATION = 0x0112
"""The tag of Exif for the way a camera was held (CIPA DC-008, section 4.6.4)."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_QUARTER_TURNS = (
    Image.Transpose.TRANSPOSE,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
    Image.Transpose.ROTATE_270,
)
_DARK = BRIGHTEST // 2


@dataclass(frozen=True)
class Picture:
    """An image of shape (28, 28), uint8, and the conversions applied to it, in words."""

    pixels: npt.NDArray[np.uint8]
    changes: tuple[str, ...]


def read_picture(path: Path) -> Picture:
    """Read a picture of one of :data:`FORMATS`. Raises DataError for anything else."""
    try:
        with catch_warnings():
            # A file of a few bytes can declare an image larger than memory.
            simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as opened:
                return to_fashion_mnist(opened)
    except UnidentifiedImageError as error:
        raise DataError(f"{path} {_what_it_is(path)}; convert it to one") from error
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; name a {_READ} image") from error
    except DataError as error:
        raise DataError(f"{path} {error}; name a picture of an article") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{path} cannot be read ({error}); make it smaller") from error
    except _UNREADABLE as error:
        raise DataError(f"{path} cannot be read ({error}); is it damaged?") from error


def to_fashion_mnist(image: Image.Image) -> Picture:
    """Convert an image of any size and mode to the format of Fashion-MNIST.

    One of 28 x 28 pixels keeps its frame, and is inverted if its border is light. Any other is
    framed as the data set is: see :mod:`fashionbench.serving.framing`. Transparent pixels become
    white, or black if nothing would be left to see. Raises DataError for a plain ground.
    """
    changes: list[str] = []
    size, turn = image.size, _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    # Only JPEG has a draft: it is decoded at a fraction of its size.
    image.draft(None, (_LARGEST_SIDE, _LARGEST_SIDE))
    reduced = _reduced(image)
    if turn is not None:
        reduced = reduced.transpose(turn)
        changes.append("turned upright")
        size = size[::-1] if turn in _QUARTER_TURNS else size
    grey = _to_grey(reduced, image.mode, changes)
    if size == (SIDE, SIDE):
        return _of_the_right_size(grey, changes)
    framed = frame(np.asarray(grey, np.float32))
    if framed.is_inverted:
        changes.append("inverted")
    if framed.size is None:
        changes.append("not cropped, since its background is not plain")
    else:
        scale = max(size) / max(grey.size)
        width, height = (round(length * scale) for length in framed.size)
        changes.append(f"cropped to {width} x {height}")
    changes.append(f"resized from {size[0]} x {size[1]}")
    return Picture(framed.pixels, tuple(changes))


def _reduced(image: Image.Image) -> Image.Image:
    """Return a copy in mode L or RGBA, with sides of at most _LARGEST_SIDE pixels."""
    if image.mode.startswith("I"):
        copy = _of_16_bits(image)
    else:
        copy = image.convert("RGBA" if image.has_transparency_data else "L")
    copy.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE))
    return copy


def _of_16_bits(image: Image.Image) -> Image.Image:
    """Return a grey image of 16 bits as one of 8, whose transparent value becomes white."""
    values = np.asarray(image)
    grey = (values >> 8).clip(0, BRIGHTEST).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = BRIGHTEST
    return Image.fromarray(grey)


def _to_grey(image: Image.Image, mode: str, changes: list[str]) -> Image.Image:
    """Return an image in mode L; say in ``changes`` what was done. ``mode`` is its file's."""
    if image.mode == "RGBA":
        for name, level in (("white", BRIGHTEST), ("black", 0)):
            ground = Image.new("RGBA", image.size, (level, level, level, BRIGHTEST))
            grey = Image.alpha_composite(ground, image).convert("L")
            if len(set(grey.getextrema())) > 1 or not level:
                changes += [f"put on {name}", "made grey"]
                return grey
    if mode != "L":
        changes.append("made grey")
    return image


def _of_the_right_size(grey: Image.Image, changes: list[str]) -> Picture:
    if np.median(edge_values(np.asarray(grey))) > _DARK:
        grey = ImageOps.invert(grey)
        changes.append("inverted")
    return Picture(np.asarray(grey), tuple(changes))


def _what_it_is(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(12)
    if start[4:8] == b"ftyp" and start[8:] in _HEIF_BRANDS:
        return f"is a HEIC image, which is not one of {_READ}"
    return f"is not a {_READ} image"
