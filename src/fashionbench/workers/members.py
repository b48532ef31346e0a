"""The workers of a cluster: what each says of itself, which may train here, and why others may not.

What decides about a worker's bits is a resource of Dask's, of which it has one: so the scheduler
itself gives a task only to workers that make its bits, also to those that join late, and one task
at a time to each.
"""

import logging
import platform
import threading
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Any

import torch

import fashionbench
from fashionbench.errors import WorkerError
from fashionbench.params import Hyperparameters
from fashionbench.pipeline.dependencies import digest, sha256_of
from fashionbench.portable import processor

FACTS = "fashionbench"
"""The name under which Dask's scheduler keeps a worker's facts."""
PATIENCE_S = 30.0
"""Seconds after which a lack of workers is reported, and for which describing them waits."""
_REMEDIES = {
    "processor": "use machines of one architecture",
    "torch": "install requirements-cluster.txt there",
    "numpy": "install requirements-cluster.txt there",
    "capability": "start it with fashionbench worker",
}
"""What to do about a difference; any other is one of code."""
_PACKAGES = (".", "portable", "networks", "pipeline", "data", "training", "workers")
"""Those whose code a worker can run: no module of theirs imports from others."""
_DIGITS = 12
"""Hexadecimal digits of a digest that are told: all workers tell of all files."""
_LONGEST_TAG = 500
"""Characters of a fact about all workers together."""

_log = logging.getLogger(__name__)


Build = Mapping[str, str]
"""What decides about the bits that a process makes: versions, code by file, and torch's kernels."""


def own_build() -> Build:
    """Describe this process. Call it once, when the code has just been imported."""
    package = Path(fashionbench.__file__).parent
    files = sorted(file for name in _PACKAGES for file in (package / name).glob("*.py"))
    return {
        "processor": platform.machine(),
        **{name: version(name) for name in ("torch", "numpy")},
        "capability": torch.backends.cpu.get_cpu_capability(),
        **{file.relative_to(package).as_posix(): sha256_of(file)[:_DIGITS] for file in files},
    }


def resource_of(build: Build, device: str = "") -> str:
    """Return Dask's resource of workers that make the same bits.

    With ``device``, those that also have a device: "cuda", or the name of one.
    """
    return f"fashionbench {digest(build)[:_DIGITS]} {device}".strip()


def difference(own: Build, other: Build) -> str:
    """Say in one line how another process differs, and what to do there; empty if it doesn't.

    Equal bits need an equal architecture, of which x86-64 is the only one with defined ones.
    """
    differing = [name for name in {**own, **other} if own.get(name) != other.get(name)]
    if not differing:
        return ""
    first, more = differing[0], len(differing) - 1
    values = f"is {other.get(first, 'missing')}, not {own.get(first, 'there')}"
    also = f" (and {more} more differ)" if more else ""
    remedy = _REMEDIES.get(first, "give it the code of this repository and start it again")
    return f"its {first} {values}{also}; {remedy}"


def is_portable(hyperparameters: Hyperparameters) -> bool:
    """Tell whether all processors of an architecture make the same bits of a training."""
    return hyperparameters.device == "cpu" and hyperparameters.precision == "float32"


def devices() -> dict[str, str]:
    """Return the names of this process's devices, by their kind."""
    found = {"cpu": processor.name()}
    if torch.cuda.is_available():
        found["cuda"] = torch.cuda.get_device_name()
    return found


class Members:
    """The workers of the scheduler at ``address``, as it last told of them.

    Those of another ``build`` get no task, since they lack its resource; each is named once.
    """

    def __init__(self, address: str, build: Build) -> None:
        self._address = address
        self._build = build
        self._facts: dict[str, dict[str, str]] = {}
        self._refused: list[str] = []
        self._named: set[str] = set()
        self._has_some = threading.Event()
        self._needed_since = monotonic()

    def update(self, workers: Mapping[str, Mapping[str, Any]]) -> None:
        """Take over what the scheduler tells of its workers, by their addresses."""
        self._facts, self._refused = {}, []
        for address, told in workers.items():
            worker = f"worker {told.get('name')} at {address}"
            if reason := self._reason_against(told):
                self._refused.append(f"{worker} is refused: {reason}")
                self._warn_once(self._refused[-1])
                continue
            self._facts[address] = told[FACTS]["environment"]
            if (threads := told.get("nthreads", 1)) > 1:
                self._warn_once(
                    f"{worker} has {threads} threads, and trains one replicate at a time; start "
                    f"it with --nthreads 1 --nworkers {threads}"
                )
        if self._facts:
            self._has_some.set()

    def check(self, is_needed: bool) -> None:
        """Warn if workers have been needed for a while, and there are none.

        Raises WorkerError, which names one, if all that are there are refused.
        """
        if self._facts or not is_needed:
            self._needed_since = monotonic()
        elif monotonic() - self._needed_since > PATIENCE_S:
            if self._refused:
                raise WorkerError(self._refused[0])
            self._warn_once(
                f"waiting for workers to join {self._address}: start some with "
                f"fashionbench worker {self._address}"
            )

    def describe(self) -> dict[str, str]:
        """Return the facts of all that may train, each with the values that it has.

        Waits a while if there are none.
        """
        self._has_some.wait(PATIENCE_S)
        all_facts = list(self._facts.values())
        names = sorted({name for facts in all_facts for name in facts})
        return {
            "machine.scheduler": self._address,
            "machine.workers": str(len(all_facts)),
            **{name: _join({facts.get(name, "") for facts in all_facts}) for name in names},
        }

    def _reason_against(self, told: Mapping[str, Any]) -> str:
        if FACTS not in told:
            return (
                f"it does not say what it runs; start it with fashionbench worker {self._address}, "
                "or with --preload fashionbench.workers.preload"
            )
        if differing := told[FACTS]["differing"]:
            return (
                f"it makes other bits ({', '.join(differing)}); fashionbench doctor says there why"
            )
        return difference(self._build, told[FACTS]["build"])

    def _warn_once(self, line: str) -> None:
        if line not in self._named:
            self._named.add(line)
            _log.warning(line)


def _join(values: set[str]) -> str:
    text = "; ".join(sorted(filter(None, values)))
    return text if len(text) <= _LONGEST_TAG else f"{text[:_LONGEST_TAG]} ..."
