"""What decides about the bits that a process makes, and how two processes differ in it.

Workers of a cluster say it when they join. Each build is a resource of Dask's, of which a worker
has one: so the scheduler itself gives a task only to workers that make its bits, also to those that
join late, and one task at a time to each.
"""

import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import torch

import fashionbench
from fashionbench.params import Hyperparameters
from fashionbench.pipeline import processor
from fashionbench.pipeline.dependencies import sha256_of
from fashionbench.pipeline.identity import digest
from fashionbench.workers.pool import SCHEDULER_VARIABLE

_PACKAGES = ("pipeline", "data", "training", "workers")
"""Those whose code a worker can run: no module of theirs imports from others."""
_DIGITS = 12
"""Hexadecimal digits of a digest that are told: all workers tell of all files."""


@dataclass(frozen=True)
class Build:
    """The code by file, the versions of packages, and what torch's own code was built for."""

    code: Mapping[str, str]
    versions: Mapping[str, str]
    capability: str
    architecture: str

    @classmethod
    def own(cls) -> Self:
        """Describe this process. Call it once, when the code has just been imported."""
        return cls(
            code=dict(_code()),
            versions={package: version(package) for package in ("torch", "numpy")},
            capability=torch.backends.cpu.get_cpu_capability(),
            architecture=platform.machine(),
        )

    @classmethod
    def parse(cls, facts: Mapping[str, Any]) -> Self:
        """Read what :func:`dataclasses.asdict` made of a build."""
        return cls(**facts)

    @property
    def resource(self) -> str:
        """Dask's resource of workers that make the same bits."""
        return f"fashionbench {digest(asdict(self))[:_DIGITS]}"

    def resource_of(self, device: str) -> str:
        """Dask's resource of such workers that have a device: "cuda", or the name of one."""
        return f"{self.resource} {device}"

    def difference(self, other: Self) -> str:
        """Say in one line how another process differs, and what to do there; empty if it doesn't.

        Equal bits need an equal architecture, of which x86-64 is the only one with defined ones.
        """
        if self.architecture != other.architecture:
            return f"its processor is {other.architecture}, not {self.architecture}"
        for package, number in self.versions.items():
            if other.versions.get(package) != number:
                return (
                    f"it has {package} {other.versions.get(package)}, not {number}; install "
                    "requirements-cluster.txt there"
                )
        if self.capability != other.capability:
            return (
                f"its torch runs code for {other.capability}, not {self.capability}; start it with "
                f"fashionbench worker ${SCHEDULER_VARIABLE}"
            )
        differing = sorted(
            name
            for name in self.code.keys() | other.code.keys()
            if self.code.get(name) != other.code.get(name)
        )
        if not differing:
            return ""
        more = f" and {len(differing) - 1} more files" if len(differing) > 1 else ""
        return (
            f"its code differs in {differing[0]}{more}; give it the code of this repository, and "
            "start it again"
        )


def is_portable(hyperparameters: Hyperparameters) -> bool:
    """Tell whether all processors of an architecture make the same bits of a training."""
    return hyperparameters.device == "cpu" and hyperparameters.precision == "float32"


def devices() -> dict[str, str]:
    """Return the names of this process's devices, by their kind."""
    found = {"cpu": processor.name()}
    if torch.cuda.is_available():
        found["cuda"] = torch.cuda.get_device_name()
    return found


def _code() -> Iterator[tuple[str, str]]:
    package = Path(fashionbench.__file__).parent
    files = [*package.glob("*.py")]
    for name in _PACKAGES:
        files += (package / name).glob("*.py")
    for file in sorted(files):
        yield file.relative_to(package).as_posix(), sha256_of(file)[:_DIGITS]
