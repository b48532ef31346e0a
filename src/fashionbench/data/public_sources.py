"""Where the files of data sets are published, as datasets.yaml names the places.

Each is a function of the name after the colon, of an empty folder to work in, and of a folder in
which the user has the archives, if any. It returns the folder of the files, and raises DataError.
"""

import gzip
import hashlib
import io
import logging
import pickle
import subprocess
import tarfile
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.request import build_opener

import numpy as np
import numpy.typing as npt
from numpy._core.multiarray import _reconstruct

from fashionbench.data.idx import write_idx
from fashionbench.errors import DataError

_APT_TIMEOUT_S = 300


def installed_package(package: str, _: Path, __: Path | None = None) -> Path:
    """Return the folder of a package of Debian's where that is installed."""
    return Path("/") / _folder_of(package)


def debian_archive(package: str, work: Path, _: Path | None = None) -> Path:
    """Download and unpack a package of Debian's, without root and without installing it."""
    state = work / "apt"
    (state / "lists/partial").mkdir(parents=True)
    # The system's package lists may be missing, and only root can fetch them: use private ones.
    private = [
        f"-oDir::State::Lists={state}/lists",
        f"-oDir::Cache={state}",
        "-oAPT::Sandbox::User=",
        f"-oAcquire::http::Timeout={TIMEOUT_S:.0f}",
    ]
    _run(["apt-get", "-q", *private, "update"], work)
    _run(["apt-get", "-q", *private, "download", package], work)
    packages = list(work.glob(f"{package}_*.deb"))
    if not packages:
        raise DataError(f"apt-get downloaded no {package}")
    _run(["dpkg-deb", "-x", packages[0].name, "unpacked"], work)
    return work / "unpacked" / _folder_of(package)


def torchvision_archives(name: str, work: Path, folder: Path | None = None) -> Path:
    """Get the archives that torchvision knows of, and unpack those that have its md5.

    They come from its mirrors, or from ``folder``. CIFAR-10 is written as IDX files.
    """
    # Imported here: it takes seconds, and most runs never need it.
    from torchvision import datasets

    known = getattr(datasets, name)
    if hasattr(known, "tgz_md5"):
        archive = _archive(known.filename, known.tgz_md5, [known.url], work, folder)
        _write_batches(archive, known, work)
        return work
    for file, md5 in known.resources:
        mirrors = [mirror + file for mirror in known.mirrors]
        archive = _archive(file, md5, mirrors, work, folder)
        try:
            (work / archive.stem).write_bytes(gzip.decompress(archive.read_bytes()))
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{archive} is damaged: {error}") from error
    return work


def scikit_learn(name: str, work: Path, _: Path | None = None) -> Path:
    """Write the images that scikit-learn has with it as IDX files: grey, from 0 to 255."""
    # Imported here: it takes a second.
    from sklearn import datasets

    found = getattr(datasets, f"load_{name}")()
    brightest = int(found.images.max())
    pixels = (found.images.astype(np.int64) * 255 + brightest // 2) // brightest
    write_idx(work / "images-idx3-ubyte", pixels.astype(np.uint8))
    write_idx(work / "labels-idx1-ubyte", found.target.astype(np.uint8))
    return work


ORIGINS: Mapping[str, Callable[[str, Path, Path | None], Path]] = {
    "package": installed_package,
    "torchvision": torchvision_archives,
    "debian": debian_archive,
    "scikit-learn": scikit_learn,
}
"""By what stands before the colon."""


def _folder_of(package: str) -> Path:
    return Path("usr/share/datasets") / package.removeprefix("dataset-")


def _archive(
    file: str, md5: str, addresses: Sequence[str], work: Path, folder: Path | None
) -> Path:
    """Return an archive that has the md5: from ``folder``, or else downloaded from an address."""
    path = (folder or work) / file
    problems = []
    for address in () if folder else addresses:
        try:
            download(address, path)
            break
        except DataError as error:
            problems.append(str(error))
    try:
        with path.open("rb") as content:
            found = hashlib.file_digest(content, "md5").hexdigest()
    except OSError as error:
        why = ", ".join(problems) or f"{path} cannot be read ({error.strerror})"
        raise DataError(why) from error
    if found != md5:
        raise DataError(f"{path} is not the published archive: its md5 is {found}, not {md5}")
    return path


def _write_batches(archive: Path, known: Any, work: Path) -> None:
    """Write the images of an archive of CIFAR's as IDX files.

    An archive that holds anything else is refused; a batch is unpickled only if it has
    torchvision's md5, as the archive has, and only into arrays.
    """
    parts = {"train": known.train_list, "test": known.test_list}
    files = {name for of_part in parts.values() for name, _ in of_part}
    files |= {"readme.html", known.meta["filename"]}
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            folder, _, name = member.name.partition("/")
            is_known = (member.isfile() and name in files) or (member.isdir() and not name)
            if folder != known.base_folder or not is_known:
                raise DataError(f"{archive} holds {member.name}, which is none of its files")
        for part, batches in parts.items():
            images, labels = [], []
            for name, md5 in batches:
                try:
                    batch = tar.extractfile(f"{known.base_folder}/{name}")
                except KeyError as error:
                    raise DataError(f"{archive} has no {name}") from error
                content = batch.read() if batch else b""
                if hashlib.md5(content).hexdigest() != md5:
                    raise DataError(f"{archive} has another {name} than the published one")
                found = _Arrays(io.BytesIO(content), encoding="latin1").load()
                pixels: npt.NDArray[np.uint8] = found["data"]
                # Red, green and blue planes of 32 rows each.
                side = int((pixels.shape[1] // 3) ** 0.5)
                images.append(pixels.reshape(-1, 3, side, side).transpose(0, 2, 3, 1))
                labels += found["labels"]
            write_idx(work / f"{part}-images-idx4-ubyte", np.concatenate(images))
            write_idx(work / f"{part}-labels-idx1-ubyte", np.array(labels, np.uint8))


class _Arrays(pickle.Unpickler):
    """Unpickles arrays, numbers, text and their collections; DataError for whatever else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what numpy makes arrays of, by its name in any version of numpy."""
        if (module.replace("_core", "core"), name) == ("numpy.core.multiarray", "_reconstruct"):
            return _reconstruct
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        raise DataError(f"a batch is pickled with {module}.{name}, which is no array")


def _run(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=_APT_TIMEOUT_S
        )
    except FileNotFoundError as error:
        raise DataError(f"there is no {command[0]} here") from error
    except subprocess.TimeoutExpired as error:
        raise DataError(f"{command[0]} did not answer within {_APT_TIMEOUT_S} s") from error
    except subprocess.CalledProcessError as error:
        last_line = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise DataError(f"{' '.join(command[:2])} failed: {last_line}") from error


TIMEOUT_S = 30.0
"""How long a server may be silent."""
LONGEST_S = 900.0
"""How long one file may take, however steadily it trickles."""

_CHUNK_BYTES = 1 << 18
_MEGABYTE = 1_000_000
_REPORTS = 4
"""How often the progress of a file is told."""

_log = logging.getLogger(__name__)


def download(address: str, target: Path) -> None:
    """Save what is at an address, and report progress if it is longer than a megabyte.

    Proxies are those of the environment (``https_proxy`` and so on). Raises DataError if the server
    is away, refuses, is silent for TIMEOUT_S or needs more than LONGEST_S.
    """
    try:
        # Not urlopen, which keeps to the proxies of its first call in a process.
        with build_opener().open(address, timeout=TIMEOUT_S) as answer:
            _save(answer, target)
    except TimeoutError as error:
        raise DataError(f"{address} was silent for {TIMEOUT_S:.0f} s") from error
    except (OSError, HTTPException, ValueError) as error:
        raise DataError(f"{address}: {error}") from error


def _save(answer: HTTPResponse, target: Path) -> None:
    size, end = int(answer.headers.get("Content-Length") or 0), time.monotonic() + LONGEST_S
    received, told = 0, 0
    with target.open("wb") as file:
        while chunk := answer.read1(_CHUNK_BYTES):
            file.write(chunk)
            received += len(chunk)
            if time.monotonic() > end:
                raise DataError(f"{answer.url} takes more than {LONGEST_S:.0f} s")
            if size > _MEGABYTE and received * _REPORTS // size > told:
                told = received * _REPORTS // size
                _log.info(f"{target.name}: {received / _MEGABYTE:.0f} of {size / _MEGABYTE:.0f} MB")
    if received < size:
        raise DataError(f"{answer.url} broke off after {received} of {size} bytes")
