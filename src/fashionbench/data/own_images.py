"""Read labelled images of the user's own: IDX files, an .npz file, or folders of pictures."""

import gzip
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from fashionbench.data.splits import Split
from fashionbench.datasets import MOST_CLASSES, Part
from fashionbench.errors import ConfigError, DataError
from fashionbench.pipeline.machine import available_memory

Array = npt.NDArray[Any]
Size = tuple[int, int]
"""Height and width."""

_GIB = 2**30
_COPIES = 4
"""Arrays of the size of all images that are held at once: as read, checked, sorted and written."""
_NAMES: Mapping[Part, Sequence[tuple[str, str]]] = {
    "train": (("images", "labels"), ("train_images", "train_labels"), ("x_train", "y_train")),
    "test": (("test_images", "test_labels"), ("x_test", "y_test")),
}
"""What the arrays of an .npz file are called, here, by MedMNIST and by Keras."""
_BEGINNINGS: Mapping[Part, Sequence[str]] = {"train": ("train-", ""), "test": ("t10k-", "test-")}
"""Of the names of IDX files."""
_PACKED = (
    OSError,
    EOFError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    ValueError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading an archive raises that is damaged, encrypted, or lies about its sizes."""
_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
_PARTS = {"train", "training", "val", "valid", "validation", "test", "testing"}
"""What folders of parts of a data set are called, which are no classes."""
_DIMENSIONS = (1, 3, 4)
"""Those of IDX files of labels, of grey and of coloured images."""


@dataclass(frozen=True, kw_only=True)
class OwnImages:
    """Labelled images in one or two parts, and the names of their classes."""

    parts: Mapping[Part, Split]
    classes: tuple[str, ...]


def read_own(place: Path, size: Size | None = None) -> OwnImages:
    """Read what a folder or an .npz file holds; pictures are resized to ``size`` if it is given.

    Pixels have to be bytes: (n, height, width), or (n, height, width, 3) in colour. Labels are
    whole numbers from 0 on, or the names of folders. Raises DataError for anything else, and for
    more images than memory holds, ConfigError for a ``size`` where there are no pictures.
    """
    if not place.exists():
        raise DataError(f"{place} does not exist; name a folder, or an .npz file")
    files = sorted(place.iterdir()) if place.is_dir() else [place]
    archives = [
        path
        for path in files
        if path.suffix.lower() == ".npz" and path.is_file() and not _is_hidden(path.name)
    ]
    is_of_pictures = place.is_dir() and not archives and not any(place.glob("*labels*idx1*"))
    if size and not is_of_pictures:
        raise ConfigError(
            f"--size resizes pictures, and {place} holds arrays; resize them yourself"
        )
    if len(archives) == 1:
        arrays, names = _read_npz(archives[0])
    elif place.is_dir() and any(place.glob("*labels*idx1*")):
        arrays, names = {part: _read_idx_part(place, part) for part in _BEGINNINGS}, None
    elif is_of_pictures and any(path.is_dir() for path in files):
        arrays, names = _read_pictures(place, size)
    else:
        raise DataError(
            f"{place} holds no labelled images; wanted are IDX files (images-idx3-ubyte and "
            "labels-idx1-ubyte), one .npz file (images and labels), or a folder for each class"
        )
    found = {part: _checked(place, *of_part) for part, of_part in arrays.items() if of_part}
    return OwnImages(parts=found, classes=_checked_classes(place, found, names))


def _checked(place: Path, images: Array, labels: Array) -> Split:
    """Return images and labels as a split, colours last, or none if there is only one."""
    if images.dtype != np.uint8:
        raise DataError(
            f"{place}: pixels are {images.dtype}, and must be uint8 from 0 to 255; convert them"
        )
    if images.ndim not in (3, 4):
        raise DataError(
            f"{place}: images are of shape {images.shape}, and must be (n, height, width) or "
            "(n, height, width, 3)"
        )
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(
            f"{place}: labels are {labels.dtype} of shape {labels.shape}, and must be whole "
            "numbers, one an image"
        )
    if not len(labels) == len(images) > 0:
        raise DataError(f"{place}: there are {len(images)} images and {len(labels)} labels")
    if labels.min() < 0 or labels.max() >= MOST_CLASSES:
        raise DataError(
            f"{place}: labels are from {labels.min()} to {labels.max()}, and must be from 0 to at "
            f"most {MOST_CLASSES - 1}"
        )
    return Split(np.ascontiguousarray(images), labels.astype(np.uint8))


def _checked_classes(
    place: Path, parts: Mapping[Part, Split], names: Sequence[str] | None
) -> tuple[str, ...]:
    """Return the names of the classes, by default their labels; each must have images."""
    if "train" not in parts:
        raise DataError(f"{place}: there are test images only")
    if len({split.images.shape[1:] for split in parts.values()}) > 1:
        raise DataError(f"{place}: training and test images differ in shape")
    counts = np.bincount(parts["train"].labels)
    highest = max(int(split.labels.max()) for split in parts.values())
    names = names or [str(label) for label in range(highest + 1)]
    if highest >= len(names):
        raise DataError(f"{place}: there is a label {highest}, and {len(names)} names of classes")
    if len(names) < 2:
        raise DataError(f"{place}: there is one class only, and nothing to tell apart")
    counts = np.pad(counts, (0, len(names) - len(counts)))
    if not counts.all():
        missing = names[int(counts.argmin())]
        remedy = "number from 0 on" if missing.isdigit() else "give it some, or leave it out"
        raise DataError(f"{place}: the class {missing!r} has no training image; {remedy}")
    return tuple(names)


def _check_memory(place: Path, bytes_of_images: int) -> None:
    if _COPIES * bytes_of_images > available_memory():
        raise DataError(
            f"{place}: {bytes_of_images / _GIB:.1f} GiB of images need {_COPIES} times as much "
            f"memory, and this machine has {available_memory() / _GIB:.1f} GiB; take fewer"
        )


def _read_npz(path: Path) -> tuple[dict[Part, tuple[Array, Array] | None], Sequence[str] | None]:
    """Read an .npz archive. Pickled objects in it are refused, and never unpickled."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_memory(path, sum(member.file_size for member in archive.infolist()))
        with np.load(path, allow_pickle=False) as arrays:
            found: dict[Part, tuple[Array, Array] | None] = {}
            left = {*arrays.files} - {"classes"}
            for part, pairs in _NAMES.items():
                known = [pair for pair in pairs if {*pair} <= {*arrays.files}]
                found[part] = (arrays[known[0][0]], arrays[known[0][1]]) if known else None
                left -= {*known[0]} if known else set()
            if left or not any(found.values()):
                raise DataError(
                    f"{path} has the arrays {', '.join(arrays.files) or 'none'}; wanted are images "
                    "and labels, test_images and test_labels if there are any, classes for their "
                    "names, and nothing else"
                )
            held = {name: arrays[name] for name in arrays.files}
            if not all(isinstance(array, np.ndarray) for array in held.values()):
                raise DataError(f"{path} holds files that are not arrays; save it with np.savez")
            names = _names_in(path, held["classes"]) if "classes" in held else None
    except _PACKED as error:
        why = "holds pickled objects, which are never read" if "pickle" in str(error) else error
        raise DataError(f"{path} cannot be read: {why}; save plain arrays with np.savez") from error
    return found, names


def _names_in(path: Path, array: Array) -> Sequence[str]:
    if array.ndim != 1 or array.dtype.kind not in "SUiu":
        raise DataError(
            f"{path}: classes are {array.dtype} of shape {array.shape}, and must be a name each"
        )
    return [name.decode() if isinstance(name, bytes) else str(name) for name in array.tolist()]


def _read_idx_part(folder: Path, part: Part) -> tuple[Array, Array] | None:
    """Read the two IDX files of a part; None if there are none."""
    for beginning in _BEGINNINGS[part]:
        images, labels = (
            [
                path
                for path in sorted(folder.glob(f"{beginning}{content}*idx*"))
                if path.name.startswith(f"{beginning}{content}")
            ]
            for content in ("images", "labels")
        )
        if images and labels:
            return _read_bytes(images[0]), _read_bytes(labels[0])
        if images or labels:
            raise DataError(f"{folder} has {(images or labels)[0].name} without its counterpart")
    return None


def _read_bytes(path: Path) -> Array:
    """Read an IDX file of bytes, packed or not."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            start = file.read(4)
            if start[:2] != b"\0\0" or len(start) < 4:
                raise DataError(f"{path} is no IDX file")
            if start[2] != 0x08:
                raise DataError(f"{path} holds other values than bytes, which pixels must be")
            if start[3] not in _DIMENSIONS:
                raise DataError(
                    f"{path} has {start[3]} dimensions, and is no IDX file of images or labels"
                )
            shape = [int(size) for size in np.frombuffer(file.read(4 * start[3]), ">u4")]
            size = int(np.prod(shape, dtype=object)) if shape else 0
            _check_memory(path, size)
            content = file.read(size + 1)
    except _PACKED as error:
        raise DataError(f"{path} is damaged: {error}") from error
    if len(content) != size:
        more = "more" if len(content) > size else "fewer"
        raise DataError(f"{path} holds {more} values than its header says, {tuple(shape)}")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _read_pictures(
    folder: Path, size: Size | None
) -> tuple[dict[Part, tuple[Array, Array] | None], Sequence[str]]:
    """Read a folder of pictures for each class, or one for train and one for test with these."""
    tops = {path.name.lower(): path for path in _folders_in(folder)}
    parts: dict[Part, Path] = {"train": folder}
    if tops.keys() == {"train", "test"}:
        parts = {"train": tops["train"], "test": tops["test"]}
    elif tops.keys() & _PARTS or all(map(_holds_folders_alone, tops.values())):
        names = ", ".join(path.name for path in tops.values())
        raise DataError(
            f"{folder} has the folders {names}; wanted is a folder for each class, or train/ and "
            "test/ with these"
        )
    classes = sorted({path.name for top in parts.values() for path in _folders_in(top)})
    if len(classes) > MOST_CLASSES:
        raise DataError(f"{folder} has {len(classes)} folders; at most {MOST_CLASSES} classes")
    files = {part: list(_files_in(top, classes)) for part, top in parts.items()}
    if not files["train"]:
        raise DataError(f"{folder} has no pictures in its folders; taken are {', '.join(_ENDINGS)}")
    is_coloured = any(
        _open(path, _is_coloured) for of_part in files.values() for path, _ in of_part
    )
    first = files["train"][0][0]
    height, width = size or _open(first, lambda image: ImageOps.exif_transpose(image).size[::-1])
    shape = (height, width, 3) if is_coloured else (height, width)
    _check_memory(folder, sum(map(len, files.values())) * int(np.prod(shape)))
    found: dict[Part, tuple[Array, Array] | None] = {}
    for part, of_part in files.items():
        images = np.empty((len(of_part), *shape), np.uint8)
        for place, (path, _) in enumerate(of_part):
            images[place] = _open(path, lambda image: _pixels(image, shape, size is not None))
        found[part] = images, np.array([label for _, label in of_part], np.uint8)
    return found, classes


def _is_hidden(name: str) -> bool:
    """Tell whether a file or folder is hidden, or what macOS puts into archives."""
    return name.startswith((".", "__MACOSX"))


def _folders_in(folder: Path) -> list[Path]:
    return [
        path for path in sorted(folder.iterdir()) if path.is_dir() and not _is_hidden(path.name)
    ]


def _holds_folders_alone(folder: Path) -> bool:
    return bool(_folders_in(folder)) and not any(path.is_file() for path in folder.iterdir())


def _files_in(top: Path, classes: Sequence[str]) -> Iterator[tuple[Path, int]]:
    """Yield pictures with their labels. Raises DataError for those with other endings."""
    others = Image.registered_extensions().keys() - {*_ENDINGS}
    for label, name in enumerate(classes):
        for path in sorted((top / name).rglob("*")):
            if any(map(_is_hidden, path.relative_to(top).parts)) or not path.is_file():
                continue
            if path.suffix.lower() in others:
                raise DataError(f"{path} is left out; taken are {', '.join(_ENDINGS)}; convert it")
            if path.suffix.lower() in _ENDINGS:
                yield path, label


def _open(path: Path, work: Callable[[Any], Any]) -> Any:
    try:
        with Image.open(path) as image:
            return work(image)
    except DataError as error:
        raise DataError(f"{path} {error}") from error
    except Exception as error:  # Pillow raises anything for damaged files.
        raise DataError(f"{path} cannot be read as a picture ({error}); repair it") from error


def _is_coloured(image: Any) -> bool:
    return image.mode not in ("1", "L", "LA")


def _pixels(image: Any, shape: tuple[int, ...], is_resized: bool) -> Array:
    """Return a picture as an array; what is transparent becomes black."""
    if image.mode.startswith(("I", "F")):
        raise DataError("has more than 8 bits a pixel; save it with 8")
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
    image = image.convert("RGB" if len(shape) > 2 else "L")
    height, width = shape[:2]
    if image.size != (width, height):
        if not is_resized:
            raise DataError(
                f"has {image.width} x {image.height} pixels, and the first one {width} x {height}; "
                "--size HEIGHTxWIDTH resizes all"
            )
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image)
