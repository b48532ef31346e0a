"""Finds the repository that a command works in. Imports only the standard library."""

from pathlib import Path

from fashionbench.errors import ConfigError

_FILES = ("dvc.yaml", "params.yaml")
"""What a repository of this project has at its top, and so have the copies that DVC makes."""


def find_repository(start: Path) -> Path:
    """Return the nearest folder that holds a repository, from ``start`` upwards as git and DVC do.

    Raises ConfigError if there is none.
    """
    for folder in (start, *start.parents):
        if all((folder / name).is_file() for name in _FILES):
            return folder
    raise ConfigError(
        f"{start} is not inside a fashionbench repository: neither it nor any folder above it has "
        f"{' and '.join(_FILES)}; cd into one and run the same command again"
    )
