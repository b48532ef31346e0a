"""Reads the files of the results, from the workspace or from another revision."""

from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from fashionbench.errors import DataError

T = TypeVar("T")


def read_result(path: Path, rev: str | None = None) -> str:
    """Return the text of a file of results.

    Without ``rev`` it is that of the workspace, else what git or DVC has of that commit, branch or
    experiment. Raises DataError if there is none.
    """
    if rev is None:
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error}); run dvc repro") from error
    # Imported here: it takes a second, and only this form of the commands needs it.
    import dvc.api
    from dvc.exceptions import DvcException
    from scmrepo.exceptions import SCMError

    try:
        return str(dvc.api.read(path.as_posix(), rev=rev))
    except (DvcException, SCMError, OSError) as error:
        raise DataError(
            f"{rev!r} has no {path} ({error}); dvc exp list names the experiments"
        ) from error


def parse_result(adapter: TypeAdapter[T], text: str, path: Path) -> T:
    """Parse the JSON text of a file of results; DataError if it does not fit the type."""
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(
            f"{path} is not as this version writes it ({place}: {first['msg']}); run dvc repro"
        ) from error
