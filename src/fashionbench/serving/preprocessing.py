"""Converts a picture to the format of a data set, and a photograph to that of Fashion-MNIST.

That is 28 x 28 pixels, grey, light on black.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from warnings import catch_warnings, simplefilter

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from fashionbench.errors import DataError
from fashionbench.serving.classifier import BRIGHTEST
from fashionbench.serving.framing import SIDE, frame

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP")
"""As Pillow names them: what web browsers show. Of a moving picture the first frame is taken."""
SUFFIXES = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".avif", ".gif", ".bmp"),
    *(".heic", ".heif", ".tif", ".tiff"),
)
"""Endings of the names of pictures; for a format that cannot be read, an error says so."""
_READ = "PNG, JPEG, WebP, AVIF, GIF or BMP"
_BEGINNINGS = (b"\x89PNG", b"\xff\xd8", b"GIF8", b"RIFF", b"BM")
"""Of files of these formats but AVIF, however little is left of them."""
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_DAMAGED = (
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
_MOST_PIXELS = 250_000_000
_HARMLESS_PIXELS = 90_000_000
_PIXELS_PER_BYTE = 256
"""Pixels of a larger picture in a byte of its file, at most; a few bytes can declare any number. A
JPEG of a single tone has about 170."""
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf")
"""Chunks of a PNG file that bear on its pixels; all others are text, profiles and the like."""
_NOTICEABLE = 0.01
"""Share of a picture whose loss matters."""
_OPAQUE = 250
"""An alpha channel of no less hides nothing."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_QUARTER_TURNS = (5, 6, 7, 8)
_FILLINGS = (0, BRIGHTEST // 2 + 1)
"""Grey values of what is missing of a PNG, and of a JPEG."""


@dataclass(frozen=True)
class Picture:
    """An image of the shape of a data set's, uint8, and the conversions applied to it, in words.

    ``warnings`` say why its class is doubtful, whatever a network makes of it.
    """

    pixels: npt.NDArray[np.uint8]
    changes: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def read_picture(path: Path, shape: tuple[int, ...] | None = None) -> Picture:
    """Read a picture of one of :data:`FORMATS`, as far as it is there.

    It is resized to ``shape``, or without one framed as the images of Fashion-MNIST are. Raises
    DataError for anything else, and for what shows no article.
    """
    try:
        if not path.is_file():
            what = "is not a file" if path.exists() else "does not exist"
            raise DataError(f"{path} {what}; name a {_READ} image")
        if not path.stat().st_size:
            raise DataError(f"{path} is empty; copy or download it again")
        try:
            return _read(path, shape)
        except _DAMAGED as error:
            if isinstance(error, PermissionError | UnidentifiedImageError):
                raise
            return _read(path, shape, is_cut=True)
    except PermissionError as error:
        raise DataError(f"{path} may not be read ({error.strerror}); try chmod +r") from error
    except UnidentifiedImageError as error:
        raise DataError(f"{path} {_what_is_wrong(path)}") from error
    except _DAMAGED as error:
        raise DataError(f"{path} cannot be read ({error}); is it damaged?") from error


def _read(path: Path, shape: tuple[int, ...] | None, *, is_cut: bool = False) -> Picture:
    with catch_warnings(), _settings(reads_cut_files=is_cut):
        simplefilter("ignore")
        with Image.open(_without_metadata(path), formats=FORMATS) as opened:
            _check_size(path, opened)
            if shape:
                return resized(opened, shape, is_cut=is_cut)
            try:
                return to_fashion_mnist(opened, is_cut=is_cut)
            except DataError as error:
                raise DataError(f"{path} {error}; name a picture of an article") from error


def _check_size(path: Path, image: Image.Image) -> None:
    pixels, size = image.width * image.height, path.stat().st_size
    if pixels > _HARMLESS_PIXELS and pixels > min(_MOST_PIXELS, _PIXELS_PER_BYTE * size):
        raise DataError(
            f"{path} has {image.width} x {image.height} pixels in {size:,} bytes: must be at most "
            f"{_MOST_PIXELS:,} pixels, and {_PIXELS_PER_BYTE} per byte; make it smaller"
        )


@contextmanager
def _settings(*, reads_cut_files: bool) -> Iterator[None]:
    """Have Pillow read large pictures, and those whose file is cut off if that is wanted."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS
    ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = reads_cut_files, None
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = before


def _without_metadata(path: Path) -> Path | BytesIO:
    """Return a file to read; a PNG's without what Pillow would refuse if it is long or damaged."""
    with path.open("rb") as file:
        if file.read(len(_PNG)) != _PNG:
            return path
        kept = [_PNG]
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            content = file.read(length + 4)
            if kind in _PNG_CHUNKS:
                kept += [head, content]
    return BytesIO(b"".join(kept))


def resized(image: Image.Image, shape: tuple[int, ...], *, is_cut: bool = False) -> Picture:
    """Convert an image of any size and mode to a shape (height, width[, 3]), and do nothing else.

    What is transparent becomes black. A file that ``is_cut`` is said to be.
    """
    mode, size, turn = image.mode, image.size, _orientation(image)
    changes = ["read although its file is cut off"] if is_cut else []
    opaque = _of_16_bits(image) if mode.startswith("I") else image
    if opaque.has_transparency_data:
        opaque = opaque.convert("RGBA")
        opaque = Image.alpha_composite(Image.new("RGBA", size, "black"), opaque)
    if turn in _TURNS:
        opaque = opaque.transpose(_TURNS[turn])
        changes.append("turned upright")
    wanted = "RGB" if len(shape) > 2 else "L"
    if mode != wanted:
        changes.append("made grey" if wanted == "L" else "made coloured")
    height, width = shape[:2]
    if opaque.size != (width, height):
        changes.append(f"resized from {opaque.width} x {opaque.height}")
    fitted = opaque.convert(wanted).resize((width, height), Image.Resampling.BICUBIC)
    return Picture(np.asarray(fitted), tuple(changes))


def to_fashion_mnist(image: Image.Image, *, is_cut: bool = False) -> Picture:
    """Convert an image of any size and mode to the format of Fashion-MNIST.

    One of 28 x 28 pixels that is trimmed, on black or white, keeps its frame, and is inverted if
    its border is light. Any other is framed as the data set is: see
    :mod:`fashionbench.serving.framing`. Where an alpha channel gives the article's outline, it is
    put on black or white, whichever contrasts. What is missing of a file that ``is_cut`` is said.
    Raises DataError for a plain background.
    """
    changes: list[str] = []
    warnings: list[str] = []
    mode, size, turn = image.mode, image.size, _orientation(image)
    # Only JPEG has a draft: it is decoded at a fraction of its size.
    image.draft(None, (_LARGEST_SIDE, _LARGEST_SIDE))
    reduced = _reduced(image)
    scale = max(size) / max(reduced.size)
    if is_cut:
        changes.append("read although its file is cut off")
        top, bottom = _rows_there(reduced)
        if top == bottom:
            raise DataError("is cut off before its first pixels")
        missing = 1 - (bottom - top) / reduced.height
        if missing >= _NOTICEABLE:
            warnings.append(f"its file is cut off, and up to {missing:.0%} of the picture missing")
        reduced = reduced.crop((0, top, reduced.width, bottom))
    if turn in _TURNS:
        reduced = reduced.transpose(_TURNS[turn])
        changes.append("turned upright")
        size = size[::-1] if turn in _QUARTER_TURNS else size
    alpha = None
    if reduced.mode == "LA":
        alpha = np.asarray(reduced.getchannel("A"), np.float32) / np.float32(BRIGHTEST)
    framed = frame(
        np.asarray(reduced.getchannel("L"), np.float32), alpha, keeps_frame=size == (SIDE, SIDE)
    )
    if framed.is_cut_out:
        changes.append(f"put on {'white' if framed.is_inverted else 'black'}")
    if mode != "L":
        changes.append("made grey")
    if framed.is_inverted:
        changes.append("inverted")
    if not framed.is_plain:
        changes.append("not cropped, since its background is not plain")
    if framed.size:
        width, height = (round(length * scale) for length in framed.size)
        changes.append(f"cropped to {width} x {height}")
    if framed.size or size != (SIDE, SIDE):
        changes.append(f"resized from {size[0]} x {size[1]}")
    return Picture(framed.pixels, tuple(changes), (*warnings, *framed.warnings))


def _orientation(image: Image.Image) -> int:
    """Return how a camera was held, from 1 to 8 (CIPA DC-008, section 4.6.4); 1 if unreadable."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except _DAMAGED:
        return 1


def _reduced(image: Image.Image) -> Image.Image:
    """Return a copy in mode L or LA, with sides of at most _LARGEST_SIDE pixels."""
    if image.mode.startswith("I"):
        copy = _of_16_bits(image)
    elif image.has_transparency_data:
        copy = image.convert("RGBA")
    else:
        copy = image.convert("L")
    copy.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE))
    has_alpha = copy.mode != "L" and np.asarray(copy.getchannel("A")).min() < _OPAQUE
    return copy.convert("LA" if has_alpha else "L")


def _of_16_bits(image: Image.Image) -> Image.Image:
    """Return a grey image of 16 bits as one of 8, and transparent where the file says so."""
    values = np.asarray(image)
    # Some programs save 8 bits in 16 as they are.
    high = values >> 8 if values.max() > BRIGHTEST else values
    grey = Image.fromarray(high.clip(0, BRIGHTEST).astype(np.uint8))
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        opaque = np.where(values == transparent, 0, BRIGHTEST).astype(np.uint8)
        grey.putalpha(Image.fromarray(opaque))
    return grey


def _rows_there(image: Image.Image) -> tuple[int, int]:
    """Return the first row that holds more than what Pillow fills in, and the end of the last."""
    grey = np.asarray(image.getchannel("L"))
    is_filled = np.logical_or.reduce([(grey == value).all(axis=1) for value in _FILLINGS])
    there = np.flatnonzero(~is_filled)
    return (int(there[0]), int(there[-1]) + 1) if len(there) else (0, 0)


def _what_is_wrong(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(12)
    if start[4:8] == b"ftyp" and start[8:] in _HEIF_BRANDS:
        return f"is a HEIC image, which is not one of {_READ}; convert it to one"
    if start.startswith(_BEGINNINGS) or start[4:] == b"ftypavif":
        return "is damaged or cut off; copy or download it again"
    return f"is not a {_READ} image; convert it to one"
