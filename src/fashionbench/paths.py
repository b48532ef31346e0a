"""Folders of the repository that stages and trackers share. Imports nothing but Python's own."""

import os
from pathlib import Path

SCRATCH_DIR = Path(".dvc/tmp/fashionbench")
"""Below the top of the repository, beside DVC's own temporary files; not in git."""


def repository_folder() -> Path:
    """Return the top of the repository, which DVC names also to stages that it runs in a copy."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


def in_workspace() -> bool:
    """Tell whether this is no experiment that DVC runs in a copy of the repository."""
    return Path.cwd() == repository_folder()
