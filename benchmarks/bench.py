"""How fast fashionbench is on this machine: ``make bench`` prints it and keeps it beside this file.

results.md has the tables; accuracy.svg sets each network's accuracy against the time it takes to
train. ``--small`` runs the same code in little time.
"""

import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import contenders
from on_cluster import measure_cluster
from sizes import FULL, SMALL, Sizes, parse_arguments
from steps import Measured, Task, measure
from timing import describe_machine, in_turns, one_core
from together import kept_pools, throughput_of_two

from fashionbench.data.sources import RAW_DIR
from fashionbench.data.splits import load_split
from fashionbench.errors import ConfigError, DataError, FashionbenchError
from fashionbench.params import Params, load_params
from fashionbench.paths import split_file
from fashionbench.tables import read_table
from fashionbench.workers.local import local_processes

LOOPS = ("tensors in memory", "DataLoader", "scikit-learn", "JAX")


def main() -> None:
    """Measure everything, print it and write it; what the user can mend is told in one line."""
    parser = ArgumentParser(description="Measure how fast fashionbench is on this machine.")
    parsed = parse_arguments(
        parser, small_help="run the same code on little: its times say nothing"
    )
    sizes = SMALL if parsed.small else FULL
    try:
        params = load_params()
        check(sizes)
        bench(params, sizes, parsed.output)
    except FashionbenchError as error:
        sys.exit(f"bench.py: error: {error}")


def check(sizes: Sizes) -> None:
    """Raise DataError or ConfigError if what is to be measured with is not there."""
    train = split_file("train")
    for needed in (train, RAW_DIR):
        if not needed.exists():
            raise DataError(f"{needed} is not there; run make first")
    images = len(load_split(train))
    if images < sizes.least_images:
        raise DataError(
            f"{train} has {images} images, and {sizes.least_images} are needed; raise train_size "
            "and run make, or use --small"
        )
    if sizes is FULL and not contenders.has_jax():
        raise ConfigError("JAX is not installed; run make bench, or use --small")


def bench(params: Params, sizes: Sizes, output: Path) -> None:
    """Measure, print the report and write it and the drawings into a folder."""
    # Workers import this file too, and have no use for what takes another second.
    from drawings import draw_accuracy

    from fashionbench.analysis.files import COMPARISON_FILE
    from fashionbench.page.figures import save_svg

    left_out = list(_left_out(params, COMPARISON_FILE))
    measured = {found.network: found for found in _on_one_core(params, sizes)}
    commands = _commands(sizes.rounds)
    with kept_pools() as pools:
        together = {
            name: throughput_of_two(params, name, sizes, pools)
            for name in sizes.together
            if name in params.networks
        }
        on_cluster = list(measure_cluster(params, sizes, pools))
    report = "\n\n".join(
        [
            *_introduction(sizes, left_out),
            "## Targets",
            _table("What", "Wanted", "Found", "", rows=_targets(measured, together, commands)),
            *_speed(measured.values(), sizes),
            "## On a Dask cluster",
            _table("What", "Found", rows=on_cluster),
            "## Commands",
            _table("Command", "Seconds", rows=_command_rows(commands)),
        ]
    )
    sys.stdout.write(report + "\n")
    output.mkdir(parents=True, exist_ok=True)
    (output / "results.md").write_text(report + "\n", encoding="utf-8")
    if COMPARISON_FILE.exists():
        drawing = draw_accuracy(measured, read_table(COMPARISON_FILE), params)
        save_svg(drawing, output / "accuracy.svg")


def _on_one_core(params: Params, sizes: Sizes) -> Iterator[Measured]:
    for name in sizes.choose(params.networks):
        sys.stderr.write(f"{name} ...\n")
        task = Task(
            network=params.network(name), hyperparameters=params.hyperparameters, sizes=sizes
        )
        with one_core(), local_processes(1) as worker:
            yield worker.submit(measure, task).result()


def _left_out(params: Params, comparison_file: Path) -> Iterator[str]:
    """What cannot be measured or drawn here, each with the reason."""
    if not contenders.has_jax():
        yield "JAX, which is not installed"
    if not comparison_file.exists():
        yield f"accuracy.svg, since there is no {comparison_file}"


def _introduction(sizes: Sizes, left_out: Sequence[str]) -> Iterator[str]:
    yield (
        "# Speed\n\nMade by `make bench`. Steps and evaluations run on one core, in turns with "
        "what they are compared with; all figures are medians."
    )
    if sizes is SMALL:
        yield "Made with `--small`: too little is measured here for the times to say anything."
    yield "\n".join([describe_machine(), *(f"- left out: {what}" for what in left_out)])


def _speed(measured: Iterable[Measured], sizes: Sizes) -> Iterator[str]:
    yield (
        "## Training steps\n\nMilliseconds a batch, everything included that belongs to an "
        "epoch: the order, loss and accuracy. “Arithmetic” is the share of fashionbench's "
        "time in which the same floating-point operations would be done as one large sgemm."
    )
    columns = ["Network", "fashionbench", "bfloat16", *LOOPS, "GFLOP", "arithmetic"]
    yield _table(*columns, rows=map(_step_row, measured))
    yield f"## Evaluation of {sizes.evaluated:,} images"
    columns = ["Network", "ms", "GFLOP", "arithmetic", "sgemm, GFLOP/s"]
    yield _table(*columns, rows=map(_evaluation_row, measured))


def _targets(
    measured: dict[str, Measured], together: dict[str, float], commands: dict[str, float]
) -> Iterator[tuple[str, ...]]:
    """What was aimed at, and whether it is reached: rows of text."""

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
        if name in together:
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


def _commands(rounds: int) -> dict[str, float]:
    commands = {"fashionbench --help": ["fashionbench", "--help"]}
    if subprocess.run(["dvc", "status", "-q"], check=False).returncode == 0:
        commands["dvc repro, nothing to do"] = ["dvc", "repro"]
    return in_turns({name: partial(_run, command) for name, command in commands.items()}, rounds)


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _command_rows(commands: dict[str, float]) -> Iterator[tuple[str, str]]:
    for name, taken in commands.items():
        yield name, f"{taken:.2f}"


def _table(*headings: str, rows: Any) -> str:
    lines = ["| " + " | ".join(headings) + " |", "|---|" + "---:|" * (len(headings) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


if __name__ == "__main__":
    main()
