"""Rewrite the lists of code in dvc.yaml: ``make deps``.

A stage depends on exactly the modules that its command imports, except those that cannot change its
results. Dependencies outside of src/, comments and everything else stay as they are. A stage that
always runs needs no list.
"""

import ast
import io
import sys
from collections.abc import Set
from pathlib import Path

from ruamel.yaml import YAML

PROJECT = Path(__file__).resolve().parents[1]

WITHOUT_EFFECT = (
    "errors.py",
    "messages.py",
    "training/progress.py",
    "tracking/*.py",
    "workers/*.py",
)
"""Modules that cannot change results: messages, displays, MLflow, and the processes that run tasks,
which compute the same bits wherever they are."""

_CODE = "src/"


def main() -> None:
    """Rewrite dvc.yaml, and print whether it has changed."""
    path = PROJECT / "dvc.yaml"
    old = path.read_text(encoding="utf-8")
    new = with_dependencies(old, PROJECT)
    if new != old:
        path.write_text(new, encoding="utf-8")
        sys.stdout.write("dvc.yaml: the lists of code are up to date again\n")


def with_dependencies(text: str, folder: Path) -> str:
    """Return the text of a dvc.yaml with the lists of code of the project in ``folder``.

    Raises ValueError for a relative import, SyntaxError for a module that is not Python.
    """
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 1000
    yaml.preserve_quotes = True
    pipeline = yaml.load(text)
    for name, declared in pipeline["stages"].items():
        stage = declared.get("do", declared)
        if not stage.get("always_changed"):
            _replace_code(stage["deps"], code_of(name, folder))
    written = io.StringIO()
    yaml.dump(pipeline, written)
    return written.getvalue()


def code_of(stage: str, folder: Path) -> list[str]:
    """Return the modules that a stage of the project in ``folder`` depends on, sorted."""
    package = folder / "src/fashionbench"
    without_effect = {file for pattern in WITHOUT_EFFECT for file in package.glob(pattern)}
    files = needed_by(f"fashionbench.stages.{stage}", package, without_effect)
    return sorted(file.relative_to(folder).as_posix() for file in files)


def needed_by(module: str, package: Path, without_effect: Set[Path] = frozenset()) -> set[Path]:
    """Return the files of a package that a module imports, directly or not, and its own.

    Files ``without_effect`` are left out, and with them what only they import; so are files without
    code. Raises ValueError for a relative import.
    """
    needed: set[Path] = set()
    to_read = files_of(module, package)
    while to_read:
        file = to_read.pop()
        if file not in without_effect | needed and has_code(file):
            needed.add(file)
            to_read |= imported_by(file, package)
    return needed


def files_of(module: str, package: Path) -> set[Path]:
    """Return the files that an import of a module runs: its own, and the packages' above it."""
    folder, files = package.parent, []
    for part in module.split("."):
        files += [folder / f"{part}.py", folder / part / "__init__.py"]
        folder /= part
    return {file for file in files if file.exists()}


def imported_by(path: Path, package: Path) -> set[Path]:
    """Return the package's own files that a file imports, at its top or inside a function.

    Raises ValueError for a relative import.
    """
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            if node.level or not node.module:
                raise ValueError(f"{path}, line {node.lineno}: import by the full name instead")
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    own = [name for name in modules if name.split(".")[0] == package.name]
    return {file for name in own for file in files_of(name, package)}


def has_code(path: Path) -> bool:
    """Return whether a file holds more than a docstring."""
    return any(
        not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
    )


def _replace_code(deps: list[str], code: list[str]) -> None:
    """Put modules in the place of those in a list, sorted together with other files of src/."""
    places = [place for place, dep in enumerate(deps) if dep.startswith(_CODE)]
    others = [deps[place] for place in places if not deps[place].endswith(".py")]
    begin = places[0] if places else len(deps)
    # One by one: ruamel keeps the comments of the items that stay.
    for place in reversed(places):
        del deps[place]
    for dep in sorted([*code, *others], reverse=True):
        deps.insert(begin, dep)


if __name__ == "__main__":
    main()
