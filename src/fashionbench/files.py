"""Files that are written whole or not at all, and YAML with a one-line error for any damage."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fashionbench.errors import ConfigError
from fashionbench.messages import in_one_line
from fashionbench.paths import make_folder

SUFFIX = ".incoming"
"""Ends the names of files that are being written; .dvcignore holds it."""

# Besides its own errors ruamel raises these, for values such as 2001-13-45, !!bool x or [[[[....
_YAML_ERRORS = (
    YAMLError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)


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


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file: mappings, lists and plain values, never objects.

    Reads YAML 1.2, as DVC does: 1e-3 is a number, and a duplicate key is an error. Raises
    ConfigError if the file is missing or is not YAML.
    """
    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(
            f"{path} cannot be read ({reason}); run from the repository's top folder"
        ) from error
    except _YAML_ERRORS as error:
        raise ConfigError(f"{path} is not YAML: {in_one_line(str(error))}") from error


def where(path: Path, place: Sequence[object]) -> str:
    """Say where a part of a YAML file stands, such as ``claims.yaml, line 12``.

    ``place`` are the keys and indices that lead to it, of which the last ones may be missing.
    """
    try:
        found, line = YAML(pure=True).load(path.read_text(encoding="utf-8")), 0
    except OSError:
        return str(path)
    for part in place:
        try:
            line = found.lc.data[part][0] + 1
            found = found[part]
        except (AttributeError, LookupError, TypeError):
            break
    return f"{path}, line {line}" if line else str(path)
