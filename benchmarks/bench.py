"""How fast fashionbench is on this machine: ``make bench`` prints it and keeps it beside this file.

results.md has the tables; accuracy.svg sets each network's accuracy against the time it takes to
train. ``--small FOLDER`` runs the same code in little time.
"""

import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter
from steps import Measured, measure
from timing import FOLDER, FULL, SMALL, Sizes, describe_machine, in_turns, keep, table
from together import measure_workers

from fashionbench.analysis.result_files import COMPARISON_FILE
from fashionbench.errors import FashionbenchError
from fashionbench.page.figures import save_svg
from fashionbench.params import Params, load_params
from fashionbench.tables import read_table
from fashionbench.workers.local import local_processes

LOOPS = ("tensors in memory", "DataLoader", "scikit-learn", "JAX")
_STYLE: dict[Any, Any] = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}


def main() -> None:
    """Measure everything, print it and write it; what the user can mend is told in one line."""
    parser = ArgumentParser(description="Measure how fast fashionbench is on this machine.")
    words = "measure little, whose times say nothing, and write them to this folder"
    parser.add_argument("--small", type=Path, metavar="FOLDER", help=words)
    small: Path | None = parser.parse_args().small
    sizes, folder = (SMALL, small) if small else (FULL, FOLDER)
    try:
        params = load_params()
        measured = {found.network: found for found in _on_one_core(params, sizes)}
        keep(_report(params, sizes, measured), folder / "results.md")
        if COMPARISON_FILE.exists():
            drawing = draw_accuracy(measured, read_table(COMPARISON_FILE), params)
            save_svg(drawing, folder / "accuracy.svg")
    except FashionbenchError as error:
        sys.exit(f"bench.py: error: {error}")


def _on_one_core(params: Params, sizes: Sizes) -> Iterator[Measured]:
    for name in sizes.choose(params.networks):
        sys.stderr.write(f"{name} ...\n")
        with local_processes(1) as worker:
            network, hyperparameters = params.network(name), params.hyperparameters
            yield worker.submit(measure, network, hyperparameters, sizes).result()


def _report(params: Params, sizes: Sizes, measured: Mapping[str, Measured]) -> str:
    gains, on_cluster = measure_workers(params, sizes)
    return "\n\n".join(
        [
            *_introduction(sizes),
            "## Targets",
            table("What", "Wanted", "Found", "", rows=_targets(measured, gains, sizes.rounds)),
            *_speed(measured.values(), sizes),
            "## On a Dask cluster",
            table("What", "Found", rows=on_cluster.items()),
        ]
    )


def _introduction(sizes: Sizes) -> Iterator[str]:
    yield (
        "# Speed\n\nMade by `make bench`. Steps and evaluations run on one core, in turns with "
        "what they are compared with; all figures are medians."
    )
    if sizes is SMALL:
        yield "Made with `--small`: too little is measured here for the times to say anything."
    yield describe_machine()


def _speed(measured: Iterable[Measured], sizes: Sizes) -> Iterator[str]:
    yield (
        "## Training steps\n\nMilliseconds a batch, everything included that belongs to an "
        "epoch: the order, loss and accuracy. “Arithmetic” is the share of fashionbench's "
        "time in which the same floating-point operations would be done as one large sgemm."
    )
    columns = ["Network", "fashionbench", "bfloat16", *LOOPS, "GFLOP", "arithmetic"]
    yield table(*columns, rows=map(_step_row, measured))
    yield f"## Evaluation of {sizes.evaluated:,} images"
    columns = ["Network", "ms", "GFLOP", "arithmetic", "sgemm, GFLOP/s"]
    yield table(*columns, rows=map(_evaluation_row, measured))


def _targets(
    measured: Mapping[str, Measured], gains: Mapping[str, float], rounds: int
) -> Iterator[tuple[str, ...]]:
    """Yield what was aimed at, and whether it is reached: rows of text."""

    def row(what: str, wanted: float, found: float, *, at_most: bool = True) -> tuple[str, ...]:
        reached = found <= wanted if at_most else found >= wanted
        sign = "≤" if at_most else "≥"
        return what, f"{sign} {wanted:g}", f"{found:.2f}", "reached" if reached else "missed"

    for name, loop, wanted in (
        ("n2_mlp", "JAX", 1.0),
        ("n2_mlp", "DataLoader", 0.2),
        ("n2_mlp", "scikit-learn", 0.5),
        ("n3_mlp", "JAX", 1.2),
    ):
        if name in measured and loop in measured[name].steps:
            steps = measured[name].steps
            yield row(f"{name} step / {loop}'s", wanted, steps["fashionbench"] / steps[loop])
    if n8 := measured.get("n8_conv"):
        yield row("n8_conv step / its operations at the sgemm rate", 1.25, 1 / n8.step_share)
        ratio = n8.steps["bfloat16"] / n8.steps["fashionbench"]
        yield row("n8_conv step in bfloat16 / in float32", 0.6, ratio)
    for found in measured.values():
        what = f"{found.network} evaluation / its operations at the sgemm rate"
        yield row(what, 1.5, 1 / found.evaluation_share)
    for name, wanted in (("n2_mlp", 1.9), ("n8_conv", 1.8)):
        if name in gains:
            yield row(f"{name}, two on two cores / one", wanted, gains[name], at_most=False)
    asked = in_turns({"help": _ask_for_help}, rounds)
    yield row("fashionbench --help, seconds", 0.3, asked["help"])


def _ask_for_help() -> None:
    subprocess.run(["fashionbench", "--help"], check=True, stdout=subprocess.DEVNULL)


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


def draw_accuracy(
    measured: Mapping[str, Measured], comparison: pd.DataFrame, params: Params
) -> Figure:
    """Draw the validation accuracy of what was measured over the time that one replicate trains.

    ``comparison`` is what comparison.compare_networks returns.
    """
    comparison = comparison[comparison["network"].isin(list(measured))]
    # Of a single seed there is no interval.
    for end in ("val_accuracy_low", "val_accuracy_high"):
        comparison = comparison.fillna({end: comparison["val_accuracy"]})
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


if __name__ == "__main__":
    main()
