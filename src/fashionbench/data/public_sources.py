"""Where the official files are published, tried in turn by :mod:`fashionbench.data.sources`.

Each source takes an empty folder to work in and returns the folder of the files.
"""

import subprocess
from pathlib import Path

from fashionbench.data.downloads import TIMEOUT_S, download
from fashionbench.errors import DataError

PACKAGE = "dataset-fashion-mnist"
PACKAGE_FOLDER = Path("usr/share/datasets/fashion-mnist")

_APT_TIMEOUT_S = 300


def installed_package(_: Path) -> Path:
    """Return the folder of Debian's package where that is installed."""
    return Path("/") / PACKAGE_FOLDER


def torchvision_mirrors(work: Path) -> Path:
    """Download the archives from the mirrors that torchvision knows. Raises DataError."""
    # Imported here: it takes seconds, and most runs never need it.
    from torchvision.datasets import FashionMNIST

    for archive, _ in FashionMNIST.resources:
        problems = []
        for mirror in FashionMNIST.mirrors:
            try:
                download(mirror + archive, work / archive)
                break
            except DataError as error:
                problems.append(str(error))
        else:
            raise DataError(", ".join(problems))
    return work


def debian_archive(work: Path) -> Path:
    """Download and unpack Debian's package, without root and without installing it.

    Raises DataError.
    """
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
    _run(["apt-get", "-q", *private, "download", PACKAGE], work)
    packages = list(work.glob(f"{PACKAGE}_*.deb"))
    if not packages:
        raise DataError(f"apt-get downloaded no {PACKAGE}")
    _run(["dpkg-deb", "-x", packages[0].name, "unpacked"], work)
    return work / "unpacked" / PACKAGE_FOLDER


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
