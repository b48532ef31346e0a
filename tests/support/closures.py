"""Environments that hold some of this one's packages, with what those require, and no others."""

import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement


def make_environment(folder: Path, requirements: Iterable[str]) -> Path:
    """Make an environment with links to the packages required; return its Python.

    Raises AssertionError if another version is required than is installed here.
    """
    command = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
    subprocess.run(command, check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for found in closure(requirements):
        for file in found.files or ():
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (packages / top).exists():
                (packages / top).symlink_to(Path(str(found.locate_file(top))))
    return folder / "bin/python"


def closure(requirements: Iterable[str]) -> list[Distribution]:
    """Return the installed packages that are required, directly or not."""
    found: dict[str, Distribution] = {}
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        wanted = waiting.pop()
        if wanted.name in found or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        installed = distribution(wanted.name)
        assert wanted.specifier.contains(installed.version, prereleases=True), wanted
        found[wanted.name] = installed
        waiting += [Requirement(text) for text in installed.requires or ()]
    return list(found.values())
