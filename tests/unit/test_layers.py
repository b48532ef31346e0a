"""Packages import only from those below them, and root modules from none."""

from packages import PACKAGES
from repositories import PROJECT
from write_dependencies import imported_by

SOURCE = PROJECT / "src" / "fashionbench"
ENTRY_POINTS = {"cli", "__main__"}
"""Root modules that start everything else."""


def test_packages_import_only_from_those_below() -> None:
    wrong = []
    for path in SOURCE.rglob("*.py"):
        package = path.relative_to(SOURCE).parts[0]
        if path.stem in ENTRY_POINTS:
            continue
        above = PACKAGES[PACKAGES.index(package) + 1 :] if package in PACKAGES else PACKAGES
        imported = {file.relative_to(SOURCE).parts[0] for file in imported_by(path, SOURCE)}
        wrong += [f"{path.relative_to(SOURCE)} imports {name}" for name in imported & {*above}]
    assert wrong == []
