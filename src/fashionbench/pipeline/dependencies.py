"""Record what a stage depends on, as dvc.yaml declares it, and find out when it changes.

DVC hashes a stage's dependencies after its command has ended. Had one been edited in the meantime,
dvc.lock would name the new file as the source of the old results. So a stage records its
dependencies before it reads or imports anything, and fails as soon as one has changed.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from fashionbench.errors import ChangedError
from fashionbench.params import PARAMS_FILE, load_params
from fashionbench.yaml_files import read_yaml

PIPELINE_FILE = Path("dvc.yaml")
IGNORED = (
    ".DS_Store",
    "Thumbs.db",
    "__pycache__",
    "*.pyc",
    "*.incoming",
    "*.swp",
    "*~",
    ".#*",
    "#*#",
)
"""Names, in folders, that are no dependencies. DVC skips those that .dvcignore holds."""

_Fingerprints = dict[Path, tuple[int, ...]]
"""Times, size and inode of each file: while they stay the same, so does the content."""


@dataclass(frozen=True)
class Dependencies:
    """The dependencies of ``stage`` at one moment, as dvc.yaml names them.

    ``files`` holds the sha256 of each file, also of those in folders; ``params`` the values of
    parameters, by dotted names.
    """

    stage: str
    files: dict[Path, str]
    params: dict[str, object]
    _declared: tuple[Path, ...] = ()
    _fingerprints: _Fingerprints = field(default_factory=dict)

    @classmethod
    def of(cls, stage: str, network: str | None = None) -> "Dependencies":
        """Record those of a stage of dvc.yaml in the current folder, or of its instance.

        A missing file is left out: the stage itself will report it. Raises ConfigError if
        params.yaml is wrong or does not declare the network.
        """
        declared, names = _declared_by(stage, network)
        files = [path for path in declared if path != PARAMS_FILE]
        fingerprints = _fingerprints(files)
        return cls(
            stage=f"{stage}@{network}" if network else stage,
            files={path: sha256_of(path) for path in fingerprints},
            params=_values(names),
            _declared=(*files, PARAMS_FILE),
            _fingerprints=fingerprints | _fingerprints([PARAMS_FILE]),
        )

    def check_unchanged(self) -> None:
        """Raise ChangedError if a file or a parameter has changed.

        A file that was only touched, or edited and edited back, counts as unchanged. Takes less
        than a millisecond while nothing is touched.
        """
        now = _fingerprints(self._declared)
        touched = sorted(
            path
            for path in now.keys() | self._fingerprints.keys()
            if now.get(path) != self._fingerprints.get(path)
        )
        for path in touched:
            if path == PARAMS_FILE and path in now:
                values = _values(self.params)
                changed = [name for name in values if values[name] != self.params[name]]
                if changed:
                    raise self._error(f"{changed[0]} in {path}")
            elif path not in now or sha256_of(path) != self.files.get(path):
                raise self._error(str(path))

    def _error(self, changed: str) -> ChangedError:
        return ChangedError(
            f"{changed} changed while {self.stage} ran, and dvc.lock would name the new version as "
            "the source of the results; nothing is recorded: run dvc repro again"
        )


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def look_up(params: Mapping[str, Any], name: str) -> Any:
    """Return the value of a dotted name such as ``networks.n1_plain``; KeyError without one."""
    value: Any = params
    for part in name.split("."):
        value = value[part]
    return value


def _declared_by(stage: str, network: str | None) -> tuple[list[Path], list[str]]:
    """Return files and folders, and names of parameters, with templates filled in."""
    params = load_params()
    declared = read_yaml(PIPELINE_FILE)["stages"][stage]
    filled: dict[str, str] = {}
    if network:
        params.network(network)
        item = params.networks[network].model_dump()
        filled = {"${key}": network} | {f"${{item.{name}}}": str(item[name]) for name in item}
        declared = declared["do"]

    def fill(text: str) -> str:
        for template, value in filled.items():
            text = text.replace(template, value)
        return text

    files = [Path(fill(dep)) for dep in declared.get("deps", [])]
    return files, [fill(name) for name in declared.get("params", [])]


def _values(names: Iterable[str]) -> dict[str, object]:
    params = load_params().model_dump()
    return {name: _value(params, name) for name in names}


def _value(params: Mapping[str, Any], name: str) -> object:
    try:
        return look_up(params, name)
    except KeyError:  # A network that is no longer declared.
        return None


def _fingerprints(declared: Iterable[Path]) -> _Fingerprints:
    found: _Fingerprints = {}
    for path in declared:
        for file in path.rglob("*") if path.is_dir() else [path]:
            if file.is_file() and not _is_ignored(file.relative_to(path)):
                status = file.stat()
                found[file] = (
                    status.st_mtime_ns,
                    status.st_ctime_ns,
                    status.st_size,
                    status.st_ino,
                )
    return found


def _is_ignored(path: Path) -> bool:
    """Return whether DVC ignores a file, given by its path inside of a dependency."""
    return any(fnmatch(part, pattern) for part in path.parts for pattern in IGNORED)
