"""Packages import only from those below them, and root modules from none."""

import ast
from collections.abc import Iterator
from pathlib import Path

from packages import PACKAGES
from repositories import PROJECT

SOURCE = PROJECT / "src" / "fashionbench"
ENTRY_POINTS = {"cli", "launch", "__main__"}
"""Root modules that start everything else."""


def imported_packages(path: Path) -> Iterator[str]:
    """Yield the packages of fashionbench that a module imports from, also within functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            root, *parts = name.split(".")
            if root == "fashionbench" and parts and (SOURCE / parts[0]).is_dir():
                yield parts[0]


def test_packages_import_only_from_those_below() -> None:
    wrong = []
    for path in SOURCE.rglob("*.py"):
        package = path.relative_to(SOURCE).parts[0]
        if path.stem in ENTRY_POINTS:
            continue
        allowed = PACKAGES[: PACKAGES.index(package) + 1] if package in PACKAGES else ()
        wrong += [
            f"{path.relative_to(SOURCE)} imports {imported}"
            for imported in imported_packages(path)
            if imported not in allowed
        ]
    assert wrong == []


def test_what_is_imported_is_seen() -> None:
    """The test above would pass if it saw nothing."""
    seen = set(imported_packages(SOURCE / "stages" / "scoring.py"))
    assert {"evaluation", "data"} <= seen
