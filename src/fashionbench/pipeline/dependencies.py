"""Record what a stage depends on, as dvc.yaml declares it, and find out when it changes.

DVC hashes a stage's dependencies after its command has ended. Had one been edited in the meantime,
dvc.lock would name the new file as the source of the old results. So a stage records its
dependencies before it reads or imports anything, and fails as soon as one has changed.

Digests of them identify replicates: equal digests, equal results.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from fashionbench.datasets import DATASETS_FILE
from fashionbench.errors import ChangedError, ConfigError
from fashionbench.files import read_yaml
from fashionbench.networks import own
from fashionbench.networks.own import code_of
from fashionbench.params import PARAMS_FILE, STRENGTHS, Hyperparameters, Network, load_params
from fashionbench.paths import PREPARED_DIR, network_file, project_folder

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

DATASET = "dataset:"

_Fingerprints = dict[Path, tuple[int, ...]]
"""Times, size and inode of each file: while they stay the same, so does the content."""


@dataclass(frozen=True)
class Dependencies:
    """The dependencies of ``stage`` at one moment, as dvc.yaml names them.

    ``files`` holds the sha256 of each file, also of those in folders; ``params`` the values of
    parameters, by dotted names, and those of the data set by names after DATASET.
    """

    stage: str
    files: dict[Path, str]
    params: dict[str, object]
    _declared: tuple[Path, ...] = ()
    _fingerprints: _Fingerprints = field(default_factory=dict)

    @classmethod
    def of(cls, stage: str, network: str | None = None) -> "Dependencies":
        """Record those of a stage of dvc.yaml in the current folder, or of its instance.

        The project has an instance of some stages for each network, where a study has one for all:
        there ``network`` makes no difference. A missing file is left out: the stage itself will
        report it. Raises ConfigError if params.yaml is wrong or does not declare the network,
        ChangedError if the network is no longer the one that the stage check has seen.
        """
        declared, names, network = _declared_by(stage, network)
        files = [path for path in declared if path not in _parameter_files()]
        fingerprints = _fingerprints(files)
        return cls(
            stage=f"{stage}@{network}" if network else stage,
            files={path: sha256_of(path) for path in fingerprints},
            params=_values(names),
            _declared=(*files, *_parameter_files()),
            _fingerprints=fingerprints | _fingerprints(_parameter_files()),
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
            if path in _parameter_files() and path in now:
                values = _values(self.params)
                changed = [name for name in values if values[name] != self.params[name]]
                if changed:
                    raise self._error(f"{changed[0]} in {path}")
            elif path not in now or sha256_of(path) != self.files.get(path):
                raise self._error(str(path))

    def _error(self, changed: str) -> ChangedError:
        return ChangedError(
            f"{changed} changed while {self.stage} ran, so its results belong to neither version; "
            "nothing is recorded: run dvc repro again"
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


def _declared_by(stage: str, network: str | None) -> tuple[list[Path], list[str], str | None]:
    """Return files and folders, names of parameters, and the network whose name is filled in."""
    params = load_params()
    declared = read_yaml(PIPELINE_FILE)["stages"][stage]
    strengths: list[str] = []
    if "do" not in declared:
        network = None
    elif not network:
        raise ConfigError(f"{stage}: name a network, one of {', '.join(params.networks)}")
    else:
        found = params.network(network)
        declared = declared["do"]
        strengths = [name for name in STRENGTHS if getattr(found, name)]
        file = network_file(network)
        if file.exists() and file.read_bytes() != own.facts_of(found):
            raise ChangedError(
                f"a strength or the module of {network} was edited after the stage check; "
                "run dvc repro again"
            )

    def fill(text: str) -> str:
        return text.replace("${key}", network or "")

    files = [Path(fill(dep)) for dep in declared.get("deps", [])]
    names = []
    for entry in declared.get("params", []):
        if isinstance(entry, str):
            names.append(fill(entry))
        else:  # Keys of the data set, such as ${dataset}.shape; a study may have digits.shape too.
            of_dataset = (key for keys in entry.values() for key in keys)
            names += [
                f"{DATASET}{key.removeprefix('${dataset}').lstrip('.')}" for key in of_dataset
            ]
    return files, [*names, *strengths], network


def _values(names: Iterable[str]) -> dict[str, object]:
    params = load_params()
    values = params.model_dump()
    dataset = params.dataset.model_dump(mode="json", by_alias=True)
    dataset |= {
        name: own.dataset.model_dump(mode="json", by_alias=True)
        for name, own in params.own_datasets.items()
    }
    return {
        name: dataset
        if name == DATASET
        else _value(dataset if name.startswith(DATASET) else values, name.removeprefix(DATASET))
        for name in names
    }


def _parameter_files() -> tuple[Path, ...]:
    return PARAMS_FILE, project_folder() / DATASETS_FILE


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


_OF_OTHERS = ("networks/", "data/networks/", "metrics/")
"""Files of networks, of which parameters and own module count, and what a study could get."""


def digest(*facts: object) -> str:
    """Return the sha256 of facts that JSON can hold, in hexadecimal."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def replicate_key(
    network: Network,
    hyperparameters: Hyperparameters,
    seed: int,
    dependencies: Dependencies,
    *facts: object,
) -> str:
    """Return a digest of all that determines a replicate: its parameters, seed, data and code.

    ``dependencies`` are those of the stage that trains its network. ``facts`` are further ones that
    JSON can hold, such as versions of packages. The network's name determines nothing, nor do the
    images' and the folder from which files are named: a study shares replicates with the
    project.
    """
    files = {}
    for path, sha256 in dependencies.files.items():
        place = Path(*(part for part in path.parts if part != ".."))
        if PREPARED_DIR in place.parents:  # Of a study: train/digits.safetensors.
            is_own = place.parent != PREPARED_DIR
            if network.images != (place.stem if is_own else ""):
                continue
            place = place.parent.with_suffix(place.suffix) if is_own else place
        if not place.as_posix().startswith(_OF_OTHERS):
            files[place.as_posix()] = sha256
    of_network = {key: value for key, value in asdict(network).items() if key != "images"}
    replicate = {
        "network": {**of_network, "name": None},
        "hyperparameters": asdict(hyperparameters),
        "seed": seed,
        "code": code_of(network),
    }
    return digest(replicate, files, *facts)
