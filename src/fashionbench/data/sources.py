"""Fetch, verify and read the files of a data set.

Sources are tried in turn, and none is trusted: unpacked files must have the declared sha256, or
archives the md5 that torchvision has. Checksums of archives alone would not do for files that
packagers compress anew.
"""

import gzip
import hashlib
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from fashionbench.data.idx import read_idx
from fashionbench.data.public_sources import ORIGINS, torchvision_archives
from fashionbench.data.splits import Split
from fashionbench.datasets import DataFile, Dataset, Part
from fashionbench.errors import DataError
from fashionbench.paths import repository_folder

RAW_DIR = Path("data/raw")
SETS_DIR = Path("data/sets")
"""Data sets of the user's own, as fashionbench dataset add keeps them."""
FOLDER_VARIABLE = "FASHIONBENCH_DATA"

_CHUNK_BYTES = 1 << 20

Source = Callable[[Path], Path]
"""Takes an empty folder to work in; returns the folder of the files, or raises DataError."""


def user_folder() -> Path | None:
    """Return the folder that FASHIONBENCH_DATA names; None if it is not set."""
    named = os.environ.get(FOLDER_VARIABLE)
    # A shell leaves ~ as it is in quotes.
    return Path(os.path.expanduser(named)) if named else None


def fetch(dataset: Dataset, destination: Path, folder: Path | None = None) -> str:
    """Put the verified files into ``destination``, all or none; return the source's name.

    ``folder``, if given, is the only source (with the files as they are or as ``.gz``, also under
    the names that 7-Zip and Kaggle give them); else those declared are tried in turn. Raises
    DataError with the reason of each failure if none has the files.
    """
    refusals = []
    for name, source in _sources(dataset, folder).items():
        try:
            with _whole_or_nothing(destination) as incoming, tempfile.TemporaryDirectory() as work:
                found = source(Path(work))
                for file in dataset.files:
                    _unpack(found, dataset, file, incoming)
        except DataError as error:
            refusals.append(f"{name}: {error}")
        else:
            return name
    remedy = (
        f"correct {FOLDER_VARIABLE} or unset it; images of your own are declared by fashionbench "
        "dataset add"
        if folder
        else f"set {FOLDER_VARIABLE} to a folder that holds them"
    )
    raise DataError(f"no source has the files of {dataset.title} ({'; '.join(refusals)}); {remedy}")


def check(dataset: Dataset, folder: Path) -> None:
    """Raise DataError, as :func:`fetch` does, unless a folder has the files; keep nothing."""
    with tempfile.TemporaryDirectory() as work:
        fetch(dataset, Path(work) / "raw", folder)


def is_whole(dataset: Dataset, folder: Path) -> bool:
    """Tell whether a folder holds what :func:`fetch` would put there."""
    for file in dataset.files:
        path = folder / file.name
        if not path.is_file() or path.stat().st_size != file.size:
            return False
        with path.open("rb") as content:
            if file.sha256 not in (None, hashlib.file_digest(content, "sha256").hexdigest()):
                return False
    return True


def read_part(dataset: Dataset, part: Part, folder: Path = RAW_DIR) -> Split:
    """Return the training or the test images of data/raw, or of ``folder``, with their labels.

    Raises DataError for damaged files, and for images and labels that are not those declared.
    """
    images, labels = (folder / dataset.file(part, content).name for content in ("images", "labels"))
    try:
        split = Split(
            read_idx(images, dimensions=1 + len(dataset.shape)), read_idx(labels, dimensions=1)
        )
    except DataError as error:
        raise DataError(f"{images} and {labels.name}: {error}") from error
    if split.images.shape[1:] != dataset.shape:
        raise DataError(
            f"{images} holds images of shape {split.images.shape[1:]}; {dataset.name} is declared "
            f"to have {dataset.shape}"
        )
    if split.labels.max(initial=0) >= len(dataset.classes):
        raise DataError(
            f"{labels}: there is a label {split.labels.max()}; allowed are 0 to "
            f"{len(dataset.classes) - 1}"
        )
    return split


def _sources(dataset: Dataset, folder: Path | None) -> dict[str, Source]:
    if folder is None:
        return {origin: partial(_from_origin, origin) for origin in dataset.origins}
    if all(file.sha256 for file in dataset.files):
        return {str(folder): lambda _: folder}
    archives = next((one for one in dataset.origins if one.startswith("torchvision:")), None)
    if archives is None:
        # It comes with an installed package, and a folder could not be verified.
        return _sources(dataset, None)
    name = archives.partition(":")[2]
    return {str(folder): lambda work: torchvision_archives(name, work, folder)}


def _from_origin(origin: str, work: Path) -> Path:
    kind, _, name = origin.partition(":")
    if kind == "folder":
        # In a copy that DVC runs an experiment in, data/ is empty.
        return repository_folder() / SETS_DIR / name
    if kind not in ORIGINS:
        raise DataError(f"there is no such source; there are folder, {', '.join(ORIGINS)}")
    return ORIGINS[kind](name, work, None)


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


def _unpack(folder: Path, dataset: Dataset, file: DataFile, incoming: Path) -> None:
    """Copy one file, unpacking ``.gz``, and refuse any byte that is not the declared one."""
    with _open_source(folder, dataset, file) as source, (incoming / file.name).open("wb") as target:
        digest, size = hashlib.sha256(), 0
        # Stop one chunk beyond the declared size: an archive may unpack without end.
        while size <= file.size and (chunk := _read(source)):
            digest.update(chunk)
            size += len(chunk)
            target.write(chunk)
    if size != file.size:
        more_or_less = "more than" if size > file.size else f"{size} of"
        raise DataError(f"{source.name} holds {more_or_less} {file.size} bytes")
    # Files without one were unpacked from archives that have the published md5.
    if file.sha256 and digest.hexdigest() != file.sha256:
        raise DataError(
            f"{source.name} is not the declared file: its sha256 is {digest.hexdigest()}, "
            f"not {file.sha256}"
        )


def _open_source(folder: Path, dataset: Dataset, file: DataFile) -> BinaryIO | gzip.GzipFile:
    try:
        places = _places(folder, dataset, file.name)
        path = next((path for path in places if path.exists()), None)
        if path is None:
            raise DataError(f"{folder} has no {file.name}, neither as it is nor as .gz")
        # Reading a pipe could block for ever.
        if not path.is_file():
            raise DataError(f"{path} is not a regular file")
        return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")
    except OSError as error:
        raise DataError(f"{folder} has no readable {file.name}: {error.strerror}") from error


def _places(folder: Path, dataset: Dataset, name: str) -> Iterator[Path]:
    """Yield where a file may be: 7-Zip and copies on Kaggle write ``train-images.idx3-ubyte``.

    Some copies have a folder of the file's own name around it; torchvision has FashionMNIST/raw.
    """
    known = (one.partition(":") for one in dataset.origins)
    inner = [f"{kind}/raw" for origin, _, kind in known if origin == "torchvision"]
    for place in (folder, folder / dataset.name, *(folder / name for name in inner)):
        for spelling in (name, name.replace("-idx", ".idx")):
            yield place / spelling / spelling
            yield place / spelling
            yield place / f"{spelling}.gz"


def _read(source: BinaryIO | gzip.GzipFile) -> bytes:
    try:
        return source.read(_CHUNK_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{source.name} is damaged: {error}") from error
