"""Writes files whole or not at all. Imports only the standard library."""

import os
from pathlib import Path

SUFFIX = ".incoming"
"""Ends the names of files that are being written; .dvcignore holds it."""


def make_folder(path: Path) -> None:
    """Make a folder and those above it, also where a link points to a place that is gone.

    Disks for temporary files are cleaned up, and take along what a link leads to. Raises OSError.
    """
    os.makedirs(os.path.realpath(path), exist_ok=True)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file beside its place and rename it, so that nobody ever sees a part of it.

    Makes the folders above it. What a killed process leaves behind, the next one overwrites. Raises
    OSError, which names the file.
    """
    make_folder(path.parent)
    incoming = path.with_name(f"{path.name}{SUFFIX}")
    try:
        incoming.write_bytes(content)
        os.replace(incoming, path)
    except OSError as error:
        incoming.unlink(missing_ok=True)
        # When the disk is full, the system's error does not name the file.
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_nothing(path: Path) -> None:
    """Write the empty file of a network without results, since DVC demands every output."""
    replace_file(path, b"")
