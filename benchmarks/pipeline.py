"""Where the time of the whole pipeline goes: ``make bench-pipeline`` runs it in a clone.

Nothing is taken from DVC's cache, so it takes as long as the first ``make``. pipeline.md keeps, of
each stage, its seconds and how much of the cores' time it left unused.
"""

import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from time import perf_counter
from typing import NamedTuple

import psutil
from timing import FOLDER, describe_machine, keep, table

from fashionbench.pipeline.machine import available_cores

_RUNNING = re.compile(r"Running stage '(.+)':")


class StageTime(NamedTuple):
    """A stage's seconds on the clock, and the share of the cores' time that it left unused."""

    stage: str
    seconds: float
    idle: float


def main() -> None:
    """Run the pipeline of the commit in a clone, print the times and keep them."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "clone", "--quiet", ".", folder], check=True)
        keep(_report(run_stages(folder)), FOLDER / "pipeline.md")


def _report(times: Sequence[StageTime]) -> str:
    total = sum(time.seconds for time in times)
    training = sum(time.seconds for time in times if time.stage.startswith("train@"))
    rows = [(stage, f"{seconds:.0f}", f"{idle:.0%}") for stage, seconds, idle in times]
    return "\n".join(
        [
            "# The time of the whole pipeline\n",
            "Made by `make bench-pipeline`: a clone's first `dvc repro`, as the log tells it.",
            f"\n{describe_machine()}",
            f"- all stages: {total / 60:.1f} minutes, of which training {training / 60:.1f}, and "
            f"the rest {1 - training / total:.1%}\n",
            table("Stage", "Seconds", "Cores idle", rows=rows),
        ]
    )


def run_stages(repository: str) -> list[StageTime]:
    """Run ``dvc repro``; a stage's time reaches from its line of the log to the next one's."""
    # The caller's DVC stage and MLflow store must not affect the clone.
    unwanted = ("DVC_", "MLFLOW_")
    env = {name: text for name, text in os.environ.items() if not name.startswith(unwanted)}
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
        StageTime(stage, end - begin, 1 - (done - before) / (end - begin) / available_cores())
        for (stage, begin, before), (_, end, done) in pairwise(marks)
    ]


def _computing_of_ended_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
