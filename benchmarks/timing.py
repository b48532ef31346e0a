"""How times are taken, and how much is measured: all of it, or little that runs the same code."""

import platform
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter

from fashionbench.pipeline.environment import describe

FOLDER = Path(__file__).resolve().parent
"""Where the results are kept that are in git."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Counts of rounds, batches, images and epochs.

    ``rounds`` are those of steps, evaluations and commands. Epochs of ``perceptron_batches`` (the
    whole epoch if None: what it does once must have its true weight) and ``convolution_batches``
    are timed, and the evaluation of ``evaluated`` images. ``together`` has, by the network, the
    images on which two replicates train at once: for ``epochs``, and for those of ``on_cluster`` on
    a cluster and beside it.
    """

    rounds: int = 3
    perceptron_batches: int | None = None
    convolution_batches: int = 100
    evaluated: int = 10_000
    epochs: int = 2
    together: Mapping[str, int]
    on_cluster: Mapping[str, int]

    def choose(self, networks: Iterable[str]) -> list[str]:
        """Return the names of the networks to measure: all, or the first and the last."""
        names = list(networks)
        return names[:: max(1, len(names) - 1)] if self is SMALL else names


FULL = Sizes(
    together={"n2_mlp": 25_600, "n8_conv": 3_200},
    on_cluster={"n2_mlp": 60, "n8_conv": 8},
)
SMALL = Sizes(
    rounds=1,
    perceptron_batches=2,
    convolution_batches=2,
    evaluated=128,
    epochs=1,
    together={"n2_mlp": 128, "n8_conv": 128},
    on_cluster={"n2_mlp": 2, "n8_conv": 1},
)


def keep(report: str, path: Path) -> None:
    """Print a report in Markdown, and write it."""
    sys.stdout.write(f"{report}\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{report}\n", encoding="utf-8")


def table(*headings: str, rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = ["| " + " | ".join(headings) + " |", "|---|" + "---:|" * (len(headings) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def in_turns(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each; they take turns, so that a slow minute is everybody's.

    One round more runs first and does not count: it warms up and compiles.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds + 1):
        for name, work in contenders.items():
            started = perf_counter()
            work()
            times[name].append(perf_counter() - started)
    return {name: median(taken[1:]) for name, taken in times.items()}


def describe_machine() -> str:
    """Return the machine and the versions of what was compared, as a Markdown list."""
    facts = describe()
    packages = ("torch", *filter(find_spec, ("jax", "optax")), "scikit-learn", "numpy")
    lines = {
        "processor": f"{facts['machine.cpu']}, {facts['machine.cores']} cores",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": facts["version.python"],
        "packages": ", ".join(f"{name} {version(name)}" for name in packages),
    }
    return "\n".join(f"- {name}: {value}" for name, value in lines.items())
