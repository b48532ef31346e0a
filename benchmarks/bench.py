"""How fast fashionbench is on this machine: ``make bench`` prints it and keeps it beside this file.

results.md has the tables; accuracy.svg sets each network's accuracy against the time it takes to
train, growth.svg shows how the cost grows.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib as mpl
from growth import NETWORK, Point, measure_growth, throughput_of_two
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter
from memory import peak_memory
from steps import EVALUATED, Measured, measure
from timing import describe_machine, in_turns, one_core

from fashionbench.comparison import COMPARISON_FILE
from fashionbench.figures import save_svg
from fashionbench.params import Params, load_params
from fashionbench.results import read_table
from fashionbench.workers import local_workers

FOLDER = Path(__file__).parent
LOOPS = ("tensors in memory", "DataLoader", "scikit-learn", "JAX")
_STYLE: dict[Any, Any] = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}


def main() -> None:
    """Measure everything, print it and write it beside this file."""
    params = load_params()
    measured = {found.network: found for found in _on_one_core(params)}
    commands = _commands()
    together = {
        name: throughput_of_two(params, name, images)
        for name, images in (("n2_mlp", 25_600), ("n8_conv", 6_400))
    }
    report = "\n\n".join(
        [
            "# Speed\n\nMade by `make bench`. Steps and evaluations run on one core, in turns with "
            "what they are compared with; all figures are medians.",
            describe_machine(),
            "## Targets",
            _table("What", "Wanted", "Found", "", rows=_targets(measured, together, commands)),
            "## Training steps\n\nMilliseconds a batch, everything included that belongs to an "
            "epoch: the order, loss and accuracy. “Arithmetic” is the share of fashionbench's "
            "time in which the same floating-point operations would be done as one large sgemm.",
            _table(
                "Network", "fashionbench", "bfloat16", *LOOPS, "GFLOP", "arithmetic",
                rows=map(_step_row, measured.values()),
            ),
            f"## Evaluation of {EVALUATED:,} images",
            _table(
                "Network", "ms", "GFLOP", "arithmetic", "sgemm, GFLOP/s",
                rows=map(_evaluation_row, measured.values()),
            ),
            "## Commands and memory",
            _table("What", "", rows=[*_command_rows(commands), *peak_memory(params)]),
        ]
    )  # fmt: skip
    sys.stdout.write(report + "\n")
    (FOLDER / "results.md").write_text(report + "\n", encoding="utf-8")
    save_svg(draw_accuracy(measured, params), FOLDER / "accuracy.svg")
    save_svg(draw_growth(list(measure_growth(params))), FOLDER / "growth.svg")


def _on_one_core(params: Params) -> Iterator[Measured]:
    for name in params.networks:
        sys.stderr.write(f"{name} ...\n")
        with one_core(), local_workers(1) as worker:
            yield worker.submit(measure, params, name).result()


def _targets(
    measured: dict[str, Measured], together: dict[str, float], commands: dict[str, float]
) -> Iterator[tuple[str, ...]]:
    """What was aimed at, and whether it is reached: rows of text."""
    n2, n3, n8 = (measured[name] for name in ("n2_mlp", "n3_mlp", "n8_conv"))

    def row(what: str, wanted: float, found: float, *, at_most: bool = True) -> tuple[str, ...]:
        reached = found <= wanted if at_most else found >= wanted
        sign = "≤" if at_most else "≥"
        return what, f"{sign} {wanted:g}", f"{found:.2f}", "reached" if reached else "missed"

    for found, loop, wanted in (
        (n2, "JAX", 1.0),
        (n2, "DataLoader", 0.2),
        (n2, "scikit-learn", 0.5),
        (n3, "JAX", 1.2),
    ):
        ratio = found.steps["fashionbench"] / found.steps[loop]
        yield row(f"{found.network} step / {loop}'s", wanted, ratio)
    yield row("n8_conv step / its operations at the sgemm rate", 1.25, 1 / n8.step_share)
    yield row(
        "n8_conv step in bfloat16 / in float32",
        0.6,
        n8.steps["bfloat16"] / n8.steps["fashionbench"],
    )
    for found in measured.values():
        what = f"{found.network} evaluation / its operations at the sgemm rate"
        yield row(what, 1.5, 1 / found.evaluation_share)
    for name, wanted in (("n2_mlp", 1.9), ("n8_conv", 1.8)):
        yield row(f"{name}, two on two cores / one", wanted, together[name], at_most=False)
    for command, wanted in (("fashionbench --help", 0.3), ("dvc repro, nothing to do", 5)):
        if command in commands:
            yield row(f"{command}, seconds", wanted, commands[command])


def _step_row(found: Measured) -> tuple[str, ...]:
    ours = found.steps["fashionbench"]
    alternatives = (
        f"{found.steps[loop] * 1e3:.2f} ({found.steps[loop] / ours:.1f} x)"
        if loop in found.steps
        else "-"
        for loop in LOOPS
    )
    return (
        found.network,
        f"{ours * 1e3:.3f}",
        f"{found.steps['bfloat16'] * 1e3:.3f}",
        *alternatives,
        f"{found.step_flops / 1e9:.3f}",
        f"{found.step_share:.0%}",
    )


def _evaluation_row(found: Measured) -> tuple[str, ...]:
    return (
        found.network,
        f"{found.evaluation * 1e3:.1f}",
        f"{found.evaluation_flops / 1e9:.2f}",
        f"{found.evaluation_share:.0%}",
        f"{found.rate / 1e9:.0f}",
    )


def _commands() -> dict[str, float]:
    commands = {"fashionbench --help": ["fashionbench", "--help"]}
    if subprocess.run(["dvc", "status", "-q"], check=False).returncode == 0:
        commands["dvc repro, nothing to do"] = ["dvc", "repro"]
    return in_turns({name: partial(_run, command) for name, command in commands.items()}, rounds=5)


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _command_rows(commands: dict[str, float]) -> Iterator[tuple[str, str]]:
    for name, taken in commands.items():
        yield name, f"{taken:.2f} s"


def draw_accuracy(measured: dict[str, Measured], params: Params) -> Figure:
    """Validation accuracy of metrics/comparison.csv over the time that one replicate trains."""
    comparison = read_table(COMPARISON_FILE)
    steps = -(-params.train_size // params.batch_size) * params.num_epochs
    accuracy = comparison["val_accuracy"]
    shown = comparison[accuracy > accuracy.max() / 2]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        for row in comparison.to_dict("records"):
            taken = measured[row["network"]].steps["fashionbench"] * steps
            mean, low, high = (row[f"val_accuracy{end}"] for end in ("", "_low", "_high"))
            label = row["network"]
            if row["network"] in set(shown["network"]):
                axes.errorbar(taken, mean, yerr=[[mean - low], [high - mean]], fmt="o", capsize=3)
            else:
                high, label = shown["val_accuracy_low"].min() - 0.01, f"{label}: {mean:.2f} ▼"
            axes.annotate(label, (taken, high), (0, 3), textcoords="offset points", ha="center")
        axes.set(
            xscale="log",
            xlabel=f"seconds of one core for {params.num_epochs} epochs of one replicate",
            ylabel="validation accuracy (mean and 95% interval)",
        )
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.margins(x=0.15)
        axes.set_ylim(shown["val_accuracy_low"].min() - 0.015)
        axes.grid(alpha=0.3)
    return figure


def draw_growth(points: Sequence[Point]) -> Figure:
    """A panel for each thing that grows, with the line of a cost in proportion to it."""
    by_kind = sorted(points, key=lambda point: point.grows)
    panels = {kind: list(group) for kind, group in groupby(by_kind, lambda point: point.grows)}
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(11, 2.8), layout="constrained")
        for axes, (kind, found) in zip(
            figure.subplots(1, len(panels)), panels.items(), strict=True
        ):
            values, times = zip(*((point.value, point.seconds) for point in found), strict=True)
            axes.plot(values, times, "o-", color="#0063a6", label="measured")
            first = found[0]
            proportional = [
                first.seconds * (first.value / value if kind == "cores" else value / first.value)
                for value in values
            ]
            axes.plot(values, proportional, ":", color="#7a7a7a", label="in proportion")
            axes.set_xscale("log", base=2)
            axes.set_yscale("log", base=2)
            axes.set(xlabel=kind)
            axes.set_xticks(values, [str(value) for value in values])
            axes.yaxis.set_major_formatter(ScalarFormatter())
            axes.grid(alpha=0.3)
        figure.axes[0].set_ylabel(f"seconds to train {NETWORK}")
        figure.axes[0].legend(frameon=False)
    return figure


def _table(*headings: str, rows: Any) -> str:
    lines = ["| " + " | ".join(headings) + " |", "|---|" + "---:|" * (len(headings) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


if __name__ == "__main__":
    main()
