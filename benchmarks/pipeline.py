"""Where the time of the whole pipeline goes: ``make bench-pipeline`` runs it in a clone.

Nothing is taken from DVC's cache, so it takes as long as the first ``make``. pipeline.md keeps, of
each stage, its seconds and how much of the cores' time it left unused. Given a folder, the clone is
made there and stays.
"""

import os
import re
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from time import perf_counter

import psutil
from timing import describe_machine

from fashionbench.workers import available_cores

RESULTS_FILE = Path(__file__).with_name("pipeline.md")
_RUNNING = re.compile(r"Running stage '(.+)':")


@dataclass(frozen=True)
class StageTime:
    """Seconds on the clock, and seconds of computing summed over all its processes."""

    stage: str
    wall: float
    computing: float

    @property
    def idle(self) -> float:
        """The share of the cores' time that was not used."""
        return 1 - self.computing / (self.wall * available_cores())


def main() -> None:
    """Run the pipeline of the commit in a clone, print the times and keep them."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(*sys.argv[1:] or [temporary])
        subprocess.run(["git", "clone", "--quiet", ".", folder], check=True)
        times = run_stages(folder)
    total = sum(time.wall for time in times)
    training = sum(time.wall for time in times if time.stage.startswith("train@"))
    rows = [f"| {time.stage} | {time.wall:.0f} | {time.idle:.0%} |" for time in times]
    report = "\n".join(
        [
            "# The time of the whole pipeline",
            "",
            "Made by `make bench-pipeline`: a clone's first `dvc repro`, as the log tells it.",
            "",
            describe_machine(),
            f"- all stages: {total / 60:.1f} minutes, of which training {training / 60:.1f}, and "
            f"the rest {1 - training / total:.1%}",
            "",
            "| Stage | Seconds | Cores idle |",
            "|---|---:|---:|",
            *rows,
        ]
    )
    sys.stdout.write(report + "\n")
    RESULTS_FILE.write_text(report + "\n", encoding="utf-8")


def run_stages(repository: Path) -> list[StageTime]:
    """``dvc repro``; a stage's time reaches from its own line of the log to the next one's."""
    unwanted = ("DVC_", "MLFLOW_")
    env = {key: text for key, text in os.environ.items() if not key.startswith(unwanted)}
    env["PYTHONUNBUFFERED"] = "1"
    before = _computing_of_ended_children()
    marks: list[tuple[str, float, float]] = []
    with subprocess.Popen(
        ["dvc", "repro"], cwd=repository, env=env, stdout=subprocess.PIPE, text=True
    ) as repro:
        process = psutil.Process(repro.pid)
        assert repro.stdout is not None
        for line in repro.stdout:
            sys.stderr.write(line)
            if found := _RUNNING.match(line):
                marks.append((found[1], perf_counter(), sum(process.cpu_times()[:4])))
    if repro.returncode:
        raise subprocess.CalledProcessError(repro.returncode, "dvc repro")
    marks.append(("", perf_counter(), _computing_of_ended_children() - before))
    return [
        StageTime(stage, wall=following[1] - started, computing=following[2] - computed)
        for (stage, started, computed), following in pairwise(marks)
    ]


def _computing_of_ended_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
