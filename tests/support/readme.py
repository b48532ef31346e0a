"""The commands that documents, the Makefile and MLproject offer, and which test tries each."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from repositories import PROJECT
from ruamel.yaml import YAML
from write_docs import documents

_PROGRAMS = ("dvc", "fashionbench", "make", "mlflow", "pytest")
_CODE = re.compile(r"```sh\n(.*?)```|`([^`\n]+)`", flags=re.S)
_TARGET = re.compile(r"^([a-z-]+(?:\.lock)?):", flags=re.M)


def commands_of(text: str) -> set[str]:
    """Find the commands in a Markdown text: its shell blocks and what stands between backticks.

    What only names a program (``dvc``) is no command, and neither is the output of one.
    """
    found = set()
    for block, inline in _CODE.findall(text):
        for line in (block or inline).splitlines():
            command = line.partition("  #")[0].strip()
            program, _, rest = command.partition(" ")
            if program in _PROGRAMS and (rest or program in ("make", "pytest")):
                found.add(command)
    return found


def offered() -> set[str]:
    """Return all commands that somebody is told to type, as they are written there."""
    makefile = (PROJECT / "Makefile").read_text()
    entry_points = YAML(typ="safe").load(PROJECT / "MLproject")["entry_points"]
    return {
        *(command for path in documents(PROJECT) for command in commands_of(path.read_text())),
        *(f"make {target}" for target in _TARGET.findall(makefile) if target != "all"),
        *(f"mlflow run -e {name}" for name in entry_points),
    }


def tried() -> set[str]:
    """Return the commands of all marks ``tries`` in the tests."""
    return {
        command for path in (PROJECT / "tests").rglob("test_*.py") for command in _marked_in(path)
    }


def _marked_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.tries":
            yield from (str(ast.literal_eval(argument)) for argument in node.args)
