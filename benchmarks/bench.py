"""How fast this machine runs fashionbench: ``make bench`` prints the tables and keeps them.

Times are medians of rounds that take the networks in turn, so that a machine that slows down for a
while slows down all of them. Everything is computed by one thread, as each replicate is.
"""

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

import numpy as np
import psutil
import torch
from ruamel.yaml import YAML
from torch.utils.flop_counter import FlopCounterMode

from fashionbench.data import Split, save_split
from fashionbench.networks import Examples, build, count_parameters, infer
from fashionbench.params import PARAMS_FILE, Network, Params, load_params
from fashionbench.provenance import describe
from fashionbench.results import split_file
from fashionbench.training import Replicate, initial_state, train_epoch
from fashionbench.workers import available_cores, use_one_thread

RESULTS_FILE = Path(__file__).with_name("results.md")
ROUNDS = 5
STEPS = 200
IMAGES = 10_000


def main() -> None:
    """Measure everything, print it and write it to results.md."""
    use_one_thread()
    params = load_params()
    sections = [
        "# Speed\n\nMade by `make bench`, with one thread unless it says otherwise.",
        _machine(),
        _table(
            "Network",
            "Training step, ms",
            "of which arithmetic at the sgemm rate",
            f"Evaluation of {IMAGES:,} images, ms",
            rows=_network_rows(params),
        ),
        _table("Command", "Seconds", rows=_command_rows()),
        _table("Peak memory of a train stage, MB", "", rows=_memory_rows(params)),
    ]
    report = "\n\n".join(sections) + "\n"
    sys.stdout.write(report)
    RESULTS_FILE.write_text(report, encoding="utf-8")


def sgemm_rate() -> float:
    """FLOP/s of one thread multiplying float32 matrices of 1024 x 1024, the largest of a few."""
    left, right = torch.randn(2, 1024, 1024)
    return 2 * 1024**3 / min(_seconds(torch.mm, left, right) for _ in range(30))


def step_flops(network: Network, batch_size: int) -> int:
    """Floating-point operations of one training step, without the optimizer's."""
    module = build(network)
    counter = FlopCounterMode(display=False)
    with counter:
        module(torch.rand(batch_size, 28, 28)).sum().backward()
    return int(counter.get_total_flops())


def _network_rows(params: Params) -> Iterator[tuple[str, ...]]:
    """A row a network; a step's time includes its share of what an epoch does once."""
    how, val = params.hyperparameters, _random_examples(1)
    train = _random_examples(STEPS * how.batch_size)
    images = _random_examples(IMAGES).inputs
    steps: dict[str, list[float]] = {name: [] for name in params.networks}
    evaluations: dict[str, list[float]] = {name: [] for name in params.networks}
    for round_number in range(ROUNDS + 1):
        for name in params.networks:
            replicate = Replicate(network=params.network(name), how=how, seed=0)
            state, module = initial_state(replicate), build(replicate.network)
            step = _seconds(train_epoch, replicate, 1, state, train, val) / STEPS
            evaluation = _seconds(infer, module, images)
            if round_number:  # The first round only warms up.
                steps[name].append(step)
                evaluations[name].append(evaluation)
    rate = sgemm_rate()
    for name in params.networks:
        arithmetic = step_flops(params.network(name), how.batch_size) / rate / median(steps[name])
        yield (
            name,
            f"{median(steps[name]) * 1e3:.2f}",
            f"{arithmetic:.0%}",
            f"{median(evaluations[name]) * 1e3:.0f}",
        )


def _command_rows() -> Iterator[tuple[str, str]]:
    commands = {"fashionbench --help": ["fashionbench", "--help"]}
    status = subprocess.run(["dvc", "status", "-q"], check=False)
    if status.returncode == 0:
        commands["dvc repro, nothing to do"] = ["dvc", "repro"]
    for name, command in commands.items():
        times = [_seconds(_run, command) for _ in range(ROUNDS)]
        yield name, f"{median(times):.2f}"


def _memory_rows(params: Params) -> Iterator[tuple[str, str]]:
    """The stage of the largest network for one epoch, on as many images as params.yaml says."""
    workers = available_cores()
    largest = max(params.networks, key=lambda name: count_parameters(params.network(name)))
    with tempfile.TemporaryDirectory() as folder:
        for name, size in (("train", params.train_size), ("val", params.val_size)):
            generator = np.random.default_rng(0)
            images = generator.integers(0, 256, (size, 28, 28), dtype=np.uint8)
            labels = generator.integers(0, params.num_classes, size, dtype=np.uint8)
            save_split(Split(images, labels), Path(folder) / split_file(name))
        yaml = YAML()
        content = yaml.load(PARAMS_FILE)
        content.update(num_epochs=1, seeds=list(range(workers)))
        yaml.dump(content, Path(folder) / PARAMS_FILE)
        command = [sys.executable, "-m", "fashionbench", "train", largest]
        unwanted = ("DVC_", "MLFLOW_")
        env = {key: text for key, text in os.environ.items() if not key.startswith(unwanted)}
        with subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.DEVNULL) as stage:
            own, of_worker = _peak_memory(stage)
    if stage.returncode:
        raise subprocess.CalledProcessError(stage.returncode, command)
    yield f"{largest}, the stage's own process", f"{own / 1e6:.0f}"
    yield f"{largest}, the largest of {workers} workers", f"{of_worker / 1e6:.0f}"


def _peak_memory(stage: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Bytes that only the process itself holds, and the largest of its children."""
    own, of_child = 0, 0
    process = psutil.Process(stage.pid)
    while stage.poll() is None:
        try:
            own = max(own, process.memory_full_info().uss)
            for child in process.children():
                of_child = max(of_child, child.memory_full_info().uss)
        except psutil.NoSuchProcess:
            pass  # It ended between being listed and being asked.
        sleep(0.2)
    return own, of_child


def _machine() -> str:
    facts = describe()
    shown = ("machine.cpu", "machine.cores", "version.python", "version.torch", "version.numpy")
    lines = [f"- {name.split('.')[1]}: {facts[name]}" for name in shown]
    lines.append(f"- system: {platform.system()} {platform.machine()}")
    lines.append(f"- sgemm, one thread: {sgemm_rate() / 1e9:.0f} GFLOP/s")
    return "\n".join(lines)


def _table(*headings: str, rows: Iterator[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(headings) + " |", "|---|" + "---:|" * (len(headings) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _random_examples(count: int) -> Examples:
    return Examples(torch.rand(count, 28, 28), torch.randint(0, 10, (count,)))


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _seconds(work: Callable[..., object], *args: object) -> float:
    started = perf_counter()
    work(*args)
    return perf_counter() - started


if __name__ == "__main__":
    main()
