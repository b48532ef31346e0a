"""How times are taken: in turns, by medians, and against what the machine can do at best."""

import os
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from time import perf_counter

import torch
from torch.utils.flop_counter import FlopCounterMode

from fashionbench.networks.declared import build
from fashionbench.params import Network
from fashionbench.pipeline.environment import describe

MATRIX_SIZE = 1024


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    started = perf_counter()
    work()
    return perf_counter() - started


def in_turns(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median seconds of each; they take turns, so that a slow minute is everybody's.

    One round more runs first and does not count: it warms up and compiles.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for round_number in range(rounds + 1):
        for name, work in contenders.items():
            taken = seconds(work)
            if round_number:
                times[name].append(taken)
    return {name: median(taken) for name, taken in times.items()}


def multiply() -> Callable[[], object]:
    """A float32 matrix product of 2 * MATRIX_SIZE^3 operations."""
    left, right = torch.randn(2, MATRIX_SIZE, MATRIX_SIZE)
    return lambda: torch.mm(left, right)


def flops(network: Network, images: int, *, backward: bool) -> int:
    """Floating-point operations of a pass over a batch, as torch counts them."""
    module = build(network)
    counter = FlopCounterMode(display=False)
    with counter:
        outputs = module(torch.rand(images, 28, 28)).sum()
        if backward:
            outputs.backward()
    return int(counter.get_total_flops())


@contextmanager
def one_core() -> Iterator[None]:
    """Processes that start in this block run on one core, whatever threads they make."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def environment() -> dict[str, str]:
    """The variables of this process, without those that tell DVC and MLflow what to do."""
    unwanted = ("DVC_", "MLFLOW_")
    return {name: text for name, text in os.environ.items() if not name.startswith(unwanted)}


def describe_machine() -> str:
    """The machine and the versions of what was compared, as a Markdown list."""
    facts = describe()
    lines = {
        "processor": f"{facts['machine.cpu']}, {facts['machine.cores']} cores",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": facts["version.python"],
        "packages": ", ".join(_versions("torch", "jax", "optax", "scikit-learn", "numpy")),
    }
    return "\n".join(f"- {name}: {value}" for name, value in lines.items())


def _versions(*packages: str) -> Iterator[str]:
    """Each package with its version; those that are not installed are left out."""
    for package in packages:
        with suppress(PackageNotFoundError):
            yield f"{package} {version(package)}"
