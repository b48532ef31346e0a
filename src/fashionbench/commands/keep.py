"""The command ``fashionbench keep``: an experiment becomes a study, whole or not at all."""

import tempfile
from pathlib import Path

from fashionbench.analysis import studies
from fashionbench.errors import DataError

STUDIES_DIR = Path("studies")


def keep_study(rev: str, folder: Path) -> None:
    """Put the lock and the tables of an experiment into a folder, in place of what it holds.

    What it holds stays until all of the new is there. Raises DataError, before anything is touched,
    for a folder that is not below ``studies/`` and for an experiment that is not there or has not
    ended well.
    """
    if STUDIES_DIR.resolve() not in folder.resolve().parents:
        raise DataError(
            f"{folder} is not below {STUDIES_DIR}/, and keep replaces all that a folder holds; "
            f"name one there, such as {STUDIES_DIR}/logits"
        )
    STUDIES_DIR.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=STUDIES_DIR) as temporary:
        new, old = Path(temporary) / "new", Path(temporary) / "old"
        studies.keep(rev, new)
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
