"""Rewrite the lists of code in dvc.yaml: ``make deps``.

A stage depends on exactly the modules that its command imports, except those that cannot change its
results; a package of which it imports all stands as a folder, since DVC reads and writes all of
dvc.lock for each stage. Dependencies outside of src/, comments and everything else stay as they
are. A stage that always runs needs no list.
"""

import ast
import io
import subprocess
import sys
from collections.abc import Callable, Set
from functools import cache
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fashionbench.errors import FashionbenchError

PROJECT = Path(__file__).resolve().parents[1]

WITHOUT_EFFECT = (
    "errors.py",
    "messages.py",
    "terminal.py",
    "training/progress.py",
    "tracking/*.py",
    "workers/*.py",
)
"""Modules that cannot change results: messages, displays, MLflow, and workers, which decide where
and when epochs run; also on a cluster, what runs there is the code of other packages."""

_CODE = "src/"


def main() -> None:
    """Rewrite dvc.yaml; print whether it has changed, and which code git does not know."""
    path = PROJECT / "dvc.yaml"
    old = path.read_text(encoding="utf-8")
    new = with_dependencies(old, PROJECT)
    if new != old:
        path.write_text(new, encoding="utf-8")
        sys.stdout.write("dvc.yaml: the lists of code are up to date again\n")
    unknown = ["git", "ls-files", "--others", "--exclude-standard", _CODE]
    answer = subprocess.run(unknown, cwd=PROJECT, capture_output=True, text=True, check=False)
    for file in answer.stdout.splitlines():
        sys.stdout.write(f"git does not know {file}, and experiments lack it: git add {file}\n")


def report_mistakes(work: Callable[[], None]) -> None:
    """Do the work of a tool; a mistake in a file ends it with one line that names the file."""
    try:
        work()
    except SyntaxError as error:
        sys.exit(f"make deps: {error.filename}, line {error.lineno}: {error.msg}")
    except (FashionbenchError, YAMLError, ValueError, OSError) as error:
        sys.exit(f"make deps: {' '.join(str(error).split())}")


def with_dependencies(text: str, folder: Path) -> str:
    """Return the text of a dvc.yaml with the lists of code of the project in ``folder``.

    Raises ValueError for a relative import, a module that is not there or a stage without one,
    SyntaxError for a module that is not Python, YAMLError for a text that is not YAML.
    """
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 1000
    yaml.preserve_quotes = True
    pipeline = yaml.load(text)
    for name, declared in pipeline["stages"].items():
        stage = declared.get("do", declared)
        if not stage.get("always_changed"):
            _replace_code(stage.setdefault("deps", []), code_of(name, folder), folder)
    written = io.StringIO()
    yaml.dump(pipeline, written)
    return written.getvalue()


def code_of(stage: str, folder: Path) -> list[str]:
    """Return the code that a stage of the project in ``folder`` depends on, sorted.

    That is, the modules, and packages all of whose modules it needs.
    """
    package = folder / "src/fashionbench"
    if not (package / f"stages/{stage}.py").exists():
        raise ValueError(f"the stage {stage} of dvc.yaml has no src/fashionbench/stages/{stage}.py")
    without_effect = {file for pattern in WITHOUT_EFFECT for file in package.glob(pattern)}
    files = needed_by(f"fashionbench.stages.{stage}", package, without_effect)
    whole = {file.parent for file in files if file.parent != package}
    whole = {part for part in whole if set(filter(has_code, part.glob("*.py"))) <= files}
    found = {file.parent if file.parent in whole else file for file in files}
    return sorted(path.relative_to(folder).as_posix() for path in found)


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


@cache
def imported_by(path: Path, package: Path) -> set[Path]:
    """Return the package's own files that a file imports, at its top or inside a function.

    Raises ValueError for a relative import, and for a module that is not there.
    """
    files: set[Path] = set()
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.ImportFrom):
            if node.level or not node.module:
                raise ValueError(f"{path}, line {node.lineno}: import by the full name instead")
            modules = [node.module]
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            modules, names = [alias.name for alias in node.names], []
        else:
            continue
        for module in modules:
            place = package.parent.joinpath(*module.split("."))
            is_own = package in (place, *place.parents)
            if is_own and not (place.is_dir() or place.with_suffix(".py").exists()):
                raise ValueError(f"{path}, line {node.lineno}: there is no module {module}")
        own = [name for name in (*modules, *names) if name.split(".")[0] == package.name]
        files |= {file for name in own for file in files_of(name, package)}
    return files


@cache
def has_code(path: Path) -> bool:
    """Return whether a file holds more than a docstring."""
    return any(
        not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in _parsed(path).body
    )


@cache  # Most stages need most modules.
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _replace_code(deps: list[str], code: list[str], folder: Path) -> None:
    """Put code in the place of that in a list, sorted together with other files of src/."""
    places = [place for place, dep in enumerate(deps) if dep.startswith(_CODE)]
    others = [dep for place in places if not _is_code(dep := deps[place], folder)]
    begin = places[0] if places else len(deps)
    # One by one: ruamel keeps the comments of the items that stay.
    for place in reversed(places):
        del deps[place]
    for dep in sorted([*code, *others], reverse=True):
        deps.insert(begin, dep)


def _is_code(dep: str, folder: Path) -> bool:
    return dep.endswith(".py") or (folder / dep / "__init__.py").exists()


if __name__ == "__main__":
    report_mistakes(main)
