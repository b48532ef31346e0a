"""Modules of the user's own: from ``networks/file.py:name`` to a torch module that takes images.

They lie in one folder, on which the stage ``check`` depends. It writes down which files of it make
a network, so that a stage that trains or scores that network depends on these and no others.
"""

import ast
import hashlib
import importlib
import inspect
import json
import sys
from collections.abc import Iterator, Set
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashionbench.errors import ConfigError
from fashionbench.params import STRENGTHS, Network
from fashionbench.paths import (
    OWN_NETWORKS_DIR,
    describe_not_copied,
    in_workspace,
    project_folder,
    repository_folder,
)

if TYPE_CHECKING:
    # The stage that counts files does without torch, which takes two seconds.
    from torch import nn

_PACKAGE = str(OWN_NETWORKS_DIR)


def code_of(network: Network, root: Path | None = None) -> dict[str, str]:
    """Return the sha256 of each file that makes a network's module, by its path in ``root``.

    ``root`` is the project's folder by default. The result is empty for a network of
    plain layers. Raises ConfigError for a file that is missing, no Python, or needs other files of
    the repository than those of the folder.
    """
    if not network.module:
        return {}
    root = root or project_folder().absolute()
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(_Files(network, root).found)
    }


def facts_of(network: Network) -> bytes:
    """Return, as JSON, what a network's stages depend on besides its lines in params.yaml.

    These are the strengths that it uses and the files of its module. Raises as :func:`code_of`.
    """
    strengths = {name: getattr(network, name) for name in STRENGTHS if getattr(network, name)}
    facts = {"strengths": strengths, "code": code_of(network)}
    return f"{json.dumps(facts, indent=2)}\n".encode()


def make(network: Network, root: Path | None = None) -> "nn.Module":
    """Make the module that a network names. Raises ConfigError if that cannot be done.

    It takes float32 inputs in [0, 1] of shape (n, channels, height, width). ``root`` is as in
    :func:`code_of`.
    """
    from torch import nn

    root = root or project_folder().absolute()
    called = _load(network.module, root, tuple(code_of(network, root).items()), network.name)
    arguments = json.loads(network.arguments)
    if network.dropout_prob:
        arguments["dropout"] = network.dropout_prob
    try:
        inspect.signature(called).bind(**arguments)
    except (TypeError, ValueError) as error:
        raise refuse(network, f"cannot be called with arguments = {arguments} ({error})") from error
    try:
        made = called(**arguments)
    except Exception as error:  # It is the user's code, and may raise anything.
        raise refuse(network, f"raises {in_words(error)}") from error
    if not isinstance(made, nn.Module):
        raise refuse(network, f"makes a {type(made).__name__} and no torch.nn.Module")
    return made


def refuse(network: Network, why: str) -> ConfigError:
    """Return an error about the module of a network, in one line."""
    return _error(network.name, network.module, why)


def in_words(error: Exception) -> str:
    """Describe what the user's code has raised: its type, and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}{f': {lines[0]}' if lines else ''}"


def _error(name: str, module: str, why: str) -> ConfigError:
    return ConfigError(f"networks.{name}.module = '{module}': {why}")


@lru_cache(maxsize=64)
def _load(module: str, root: Path, code: tuple[tuple[str, str], ...], name: str) -> Any:
    """Return the class or function that a network names.

    ``code`` are its files with their contents: a process that sees others loads them anew.
    """
    file, _, wanted = module.rpartition(":")
    for known in [known for known in sys.modules if known.partition(".")[0] == _PACKAGE]:
        del sys.modules[known]
    importlib.invalidate_caches()
    writes_no_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, str(root))
    try:
        loaded = importlib.import_module(file.removesuffix(".py").replace("/", "."))
    except Exception as error:  # As above.
        raise _error(name, module, f"raises {in_words(error)} when it is imported") from error
    finally:
        sys.path.remove(str(root))
        sys.dont_write_bytecode = writes_no_bytecode
    found = getattr(loaded, wanted, None)
    if not callable(found):
        own = [key for key, value in vars(loaded).items() if _is_made_by(value, loaded.__name__)]
        raise _error(
            name, module, f"has no class or function {wanted}; there are {', '.join(own) or 'none'}"
        )
    return found


def _is_made_by(value: object, module: str) -> bool:
    is_kind = inspect.isclass(value) or inspect.isfunction(value)
    return is_kind and getattr(value, "__module__", "") == module


class _Files:
    """The files that make a network's module: its own, and what they import, directly or not."""

    def __init__(self, network: Network, root: Path) -> None:
        self._network, self._root = network, root
        self.found: set[Path] = set()
        file = network.module.rpartition(":")[0]
        path = root / file
        if not path.is_file():
            raise refuse(network, self._why_missing(file))
        self._add(path)

    def _why_missing(self, file: str) -> str:
        if not in_workspace() and (repository_folder() / file).is_file():
            return describe_not_copied(file)
        known = sorted(
            path.relative_to(self._root).as_posix()
            for path in (self._root / OWN_NETWORKS_DIR).rglob("*.py")
        )
        return f"{file} does not exist in {self._root}; there are {', '.join(known) or 'none'}"

    def _add(self, path: Path) -> None:
        """Add a file, the packages that it lies in, and what they import."""
        folders = [folder for folder in path.parents if self._root in folder.parents]
        for file in (path, *(folder / "__init__.py" for folder in folders)):
            if file.is_file() and file not in self.found:
                self.found.add(file)
                for module in sorted(self._imports(file)):
                    self._add_module(module, file)

    def _add_module(self, module: str, by: Path) -> None:
        top = module.partition(".")[0]
        if top == _PACKAGE:
            path = self._root / module.replace(".", "/")
            for file in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
                if file.is_file():
                    self._add(file)
                # One that git lacks is missing only in DVC's copies.
                elif (
                    not in_workspace()
                    and (repository_folder() / file.relative_to(self._root)).is_file()
                ):
                    name = file.relative_to(self._root).as_posix()
                    raise refuse(self._network, self._why_missing(name))
            return
        here = by.relative_to(self._root).as_posix()
        if self._is_ours(top):
            raise refuse(
                self._network,
                f"{here} imports {module} from outside of {_PACKAGE}/, the folder whose changes "
                "make DVC train it again; move what it needs there",
            )
        sibling = by.parent / f"{top}.py"
        if sibling.is_file() and top not in sys.stdlib_module_names and find_spec(top) is None:
            package = ".".join(by.parent.relative_to(self._root).parts)
            raise refuse(self._network, f"{here} imports {top}; write: from {package} import {top}")

    def _is_ours(self, top: str) -> bool:
        """Tell whether a package is the repository's."""
        if top == __name__.partition(".")[0]:
            return True
        if top in sys.stdlib_module_names:
            return False
        places = (self._root / top, self._root / "src" / top)
        return any(
            place.with_name(f"{top}.py").is_file() or any(place.glob("*.py")) for place in places
        )

    def _imports(self, path: Path) -> Set[str]:
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError) as error:
            line = f", line {error.lineno}," if isinstance(error, SyntaxError) else ""
            here = path.relative_to(self._root).as_posix()
            raise refuse(self._network, f"{here}{line} is no Python") from error
        return set(self._modules(tree, path.parent.relative_to(self._root).parts))

    @staticmethod
    def _modules(tree: ast.AST, package: tuple[str, ...]) -> Iterator[str]:
        """Yield the names of modules that a file of a package imports, or may import."""
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                above = package[: len(package) + 1 - node.level] if node.level else ()
                module = ".".join([*above, *([node.module] if node.module else [])])
                if module:
                    yield module
                    yield from (f"{module}.{alias.name}" for alias in node.names)
