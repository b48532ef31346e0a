"""What a stage depends on, as dvc.yaml declares it, and that it is still what it was.

DVC takes the hashes of a stage's dependencies after its command has ended. Had one been edited in
the meantime, dvc.lock would claim that what lies there now made what was made before. So a stage
takes note of them before it reads or imports anything, and fails as soon as one has changed.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fashionbench.errors import ChangedError
from fashionbench.params import PARAMS_FILE, load_params
from fashionbench.yaml_files import read_yaml

PIPELINE_FILE = Path("dvc.yaml")

_Fingerprints = dict[Path, tuple[int, ...]]
"""What the file system says of each file: as long as that stays the same, so does the content."""


@dataclass(frozen=True)
class Dependencies:
    """The dependencies of ``stage`` at one moment.

    ``files`` holds the sha256 of each file, also of those in folders; ``params`` the values of the
    parameters by their names, as dvc.yaml has both.
    """

    stage: str
    files: dict[Path, str]
    params: dict[str, object]
    _declared: tuple[Path, ...] = ()
    _fingerprints: _Fingerprints = field(default_factory=dict)

    @classmethod
    def of(cls, stage: str, network: str | None = None) -> "Dependencies":
        """Those of a stage of dvc.yaml in the current folder, or of its instance for a network.

        A dependency that is missing is left out: the stage itself will say what it lacks. Raises
        ConfigError if params.yaml is wrong or does not declare the network.
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
        """Raise ChangedError if a file or a parameter is no longer what it was.

        A file that was only touched, or edited and edited back, counts as unchanged. Takes less
        than a millisecond as long as nothing is touched.
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
                    raise self._refusal(f"{changed[0]} in {path}")
            elif path not in now or sha256_of(path) != self.files.get(path):
                raise self._refusal(str(path))

    def _refusal(self, what: str) -> ChangedError:
        return ChangedError(
            f"{what} changed while {self.stage} ran, and dvc.lock would claim that the results "
            "were made with what is there now; nothing is recorded: run dvc repro again"
        )


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _declared_by(stage: str, network: str | None) -> tuple[list[Path], list[str]]:
    """Files and folders, and names of parameters, with the network put into the templates."""
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
    values = {}
    for name in names:
        value: Any = params
        for part in name.split("."):
            value = value.get(part)
        values[name] = value
    return values


def _fingerprints(declared: Iterable[Path]) -> _Fingerprints:
    found: _Fingerprints = {}
    for path in declared:
        for file in path.rglob("*") if path.is_dir() else [path]:
            if file.is_file():
                status = file.stat()
                found[file] = (
                    status.st_mtime_ns,
                    status.st_ctime_ns,
                    status.st_size,
                    status.st_ino,
                )
    return found
