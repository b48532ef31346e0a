"""What is slow to make and only read is made once for all processes of pytest."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a path that ``make`` has filled, in whichever process of pytest asked first."""
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    path, done = root / "shared" / name, root / "shared" / f"{name}.done"
    path.parent.mkdir(exist_ok=True)
    with FileLock(f"{path}.lock"):
        if not done.exists():
            # Another process may have failed half-way.
            shutil.rmtree(path, ignore_errors=True)
            make(path)
            done.touch()
    return path
