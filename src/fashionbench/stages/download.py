"""Stage ``download``: fetch and verify the official files, in torchvision's layout."""

import logging
import os
from pathlib import Path

from fashionbench.data.sources import FOLDER_VARIABLE, RAW_DIR, fetch

_log = logging.getLogger(__name__)


def run(folder: Path | None = None) -> None:
    """Fetch from ``folder``, else from that in FASHIONBENCH_DATA, else from public sources.

    Raises DataError if no source has the official files.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    source = fetch(RAW_DIR, folder or (Path(named) if named else None))
    _log.info(f"Fashion-MNIST comes from {source}; every sha256 is right")
