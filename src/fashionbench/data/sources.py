"""Fetch, verify and read the official Fashion-MNIST files.

Sources are tried in turn, and none is trusted: unpacked files must have the official sha256.
Checksums of archives would not do, since packagers compress the files anew.
"""

import gzip
import hashlib
import math
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from fashionbench.data import public_sources
from fashionbench.data.public_sources import PACKAGE
from fashionbench.errors import DataError

RAW_DIR = Path("data/FashionMNIST/raw")
FOLDER_VARIABLE = "FASHIONBENCH_DATA"

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class OfficialFile:
    """One unpacked file of the data set, as its authors published it; ``size`` in bytes."""

    name: str
    size: int
    sha256: str


OFFICIAL_FILES = (
    OfficialFile(
        "train-images-idx3-ubyte",
        16 + 60_000 * 784,
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    OfficialFile(
        "train-labels-idx1-ubyte",
        8 + 60_000,
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    OfficialFile(
        "t10k-images-idx3-ubyte",
        16 + 10_000 * 784,
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    OfficialFile(
        "t10k-labels-idx1-ubyte",
        8 + 10_000,
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
)


def labelled_images() -> int:
    """Return how many images there are for training and validation together."""
    header_bytes = 8
    return next(file.size for file in OFFICIAL_FILES if "train-labels" in file.name) - header_bytes


Source = Callable[[Path], Path]
"""Takes an empty folder to work in; returns the folder of the files, or raises DataError."""


def fetch(
    destination: Path,
    user_folder: Path | None = None,
    files: tuple[OfficialFile, ...] = OFFICIAL_FILES,
) -> str:
    """Put the verified files into ``destination``, all or none; return the source's name.

    ``user_folder``, if given, is the only source (with the files as they are or as ``.gz``); else
    the public sources are tried in turn. Raises DataError with the reason of each failure if none
    has the files.
    """
    sources = _PUBLIC_SOURCES if user_folder is None else {str(user_folder): lambda _: user_folder}
    refusals = []
    for name, source in sources.items():
        try:
            with _whole_or_nothing(destination) as incoming, tempfile.TemporaryDirectory() as work:
                folder = source(Path(work))
                for file in files:
                    _unpack(folder, file, incoming)
        except DataError as error:
            refusals.append(f"{name}: {error}")
        else:
            return name
    raise DataError(
        f"no source has the Fashion-MNIST files ({'; '.join(refusals)}); "
        f"set {FOLDER_VARIABLE} to a folder that holds them"
    )


def read_images(path: Path) -> npt.NDArray[np.uint8]:
    """Read the images of an IDX file: uint8 of shape (n, rows, columns).

    Raises DataError for any other file.
    """
    return _read_idx(path, dimensions=3)


def read_labels(path: Path) -> npt.NDArray[np.uint8]:
    """Read the labels of an IDX file: uint8 of shape (n,). Raises DataError for any other file."""
    return _read_idx(path, dimensions=1)


def _read_idx(path: Path, dimensions: Literal[1, 3]) -> npt.NDArray[np.uint8]:
    """Format: http://yann.lecun.com/exdb/mnist, 'The IDX file format'."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    unsigned_byte = 0x08
    header = 4 + 4 * dimensions
    if content[:4] != bytes([0, 0, unsigned_byte, dimensions]) or len(content) < header:
        raise DataError(f"{path} is not an IDX file of bytes in {dimensions} dimension(s)")
    shape = tuple(int(size) for size in np.frombuffer(content[4:header], dtype=">u4"))
    if len(content) - header != math.prod(shape):
        raise DataError(
            f"{path} holds {len(content) - header} values, its header says {shape}; "
            "delete it and run the download stage again"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)


@contextmanager
def _whole_or_nothing(destination: Path) -> Iterator[Path]:
    """Yield a folder that replaces ``destination`` if the block ends without an error."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    for left_by_a_killed_process in destination.parent.glob(".incoming-*"):
        shutil.rmtree(left_by_a_killed_process)
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=".incoming-") as beside:
        incoming = Path(beside) / destination.name
        incoming.mkdir()
        yield incoming
        if destination.is_symlink():
            destination.unlink()
        elif destination.exists():
            shutil.rmtree(destination)
        os.replace(incoming, destination)


def _unpack(folder: Path, file: OfficialFile, incoming: Path) -> None:
    """Copy one file, unpacking ``.gz``, and refuse any byte that is not the official one."""
    with _open_source(folder, file) as source, (incoming / file.name).open("wb") as target:
        digest, size = hashlib.sha256(), 0
        # Stop one chunk beyond the official size: an archive may unpack without end.
        while size <= file.size and (chunk := _read(source)):
            digest.update(chunk)
            size += len(chunk)
            target.write(chunk)
    if size != file.size:
        more_or_less = "more than" if size > file.size else f"{size} of"
        raise DataError(f"{source.name} holds {more_or_less} {file.size} bytes")
    if digest.hexdigest() != file.sha256:
        raise DataError(
            f"{source.name} is not the official file: its sha256 is {digest.hexdigest()}, "
            f"not {file.sha256}"
        )


def _open_source(folder: Path, file: OfficialFile) -> BinaryIO | gzip.GzipFile:
    plain, packed = folder / file.name, folder / f"{file.name}.gz"
    try:
        path = plain if plain.exists() else packed
        # Reading a pipe could block for ever.
        if path.exists() and not path.is_file():
            raise DataError(f"{path} is not a regular file")
        return path.open("rb") if path == plain else gzip.open(path, "rb")
    except OSError as error:
        raise DataError(f"{folder} has no readable {file.name}[.gz]: {error.strerror}") from error


def _read(source: BinaryIO | gzip.GzipFile) -> bytes:
    try:
        return source.read(_CHUNK_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{source.name} is damaged: {error}") from error


_PUBLIC_SOURCES: dict[str, Source] = {
    f"the installed package {PACKAGE}": public_sources.installed_package,
    "torchvision's mirrors": public_sources.torchvision_mirrors,
    f"Debian's package {PACKAGE}": public_sources.debian_archive,
}
