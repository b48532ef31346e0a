"""The command ``fashionbench keep``: stores an experiment as a study, atomically."""

import tempfile
from pathlib import Path

from fashionbench.analysis import studies
from fashionbench.errors import DataError

STUDIES_DIR = Path("studies")


def keep_study(rev: str, folder: Path) -> None:
    """Copy the lock and the tables of an experiment into a folder, replacing its contents.

    The old contents stay until the copy is complete. Raises DataError, and changes nothing, for a
    folder that is not below ``studies/`` and for an experiment that does not exist or is not
    complete.
    """
    if STUDIES_DIR.resolve() not in folder.resolve().parents:
        raise DataError(
            f"{folder} is not below {STUDIES_DIR}/, and keep replaces all contents of a folder; "
            f"choose one there, such as {STUDIES_DIR}/logits"
        )
    STUDIES_DIR.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=STUDIES_DIR) as temporary:
        new, old = Path(temporary) / "new", Path(temporary) / "old"
        studies.keep(rev, new)
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
