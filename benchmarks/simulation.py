"""Dask's own scheduler with many workers that only wait: as long as training would take.

The scheduler has a process of its own, and the workers share another. Time passes faster than it
would, so the scheduler has more to do in a second than it would have: its load is the time that it
computes, beside the simulated time. States are smaller by the same factor, so that handing one on
takes the simulated time that it would take.
"""

import asyncio
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import dask
import psutil
from distributed import Client, Worker

_RESOURCE = "fashionbench"
_UNWATCHED = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1h",
    "distributed.admin.system-monitor.interval": "1h",
    "distributed.admin.system-monitor.gil.enabled": False,
}
"""Each worker looks after itself fifty times a second, and a thousand of them share a process."""


@dataclass(frozen=True)
class Chain:
    """A replicate for a cluster: seconds of each of its tasks, and bytes that each hands on."""

    name: str
    tasks: tuple[float, ...]
    state: int


@dataclass(frozen=True)
class Simulated:
    """Seconds until all have ended, seconds below which that cannot come, and load from 0 to 1."""

    makespan: float
    floor: float
    scheduler_load: float
    tasks: int


def simulate(chains: Sequence[Chain], workers: int, second: float) -> Simulated:
    """Let workers run all chains, with ``second`` real seconds for each simulated one."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scheduler.json"
        scheduler = _start(
            "-m",
            "distributed.cli.dask_scheduler",
            "--no-dashboard",
            "--port",
            "0",
            "--host",
            "127.0.0.1",
            "--scheduler-file",
            str(file),
        )
        while not file.exists():
            sleep(0.1)
        farm = _start(__file__, str(file), str(workers))
        try:
            wall, computed = asyncio.run(_run(file, chains, workers, second, scheduler.pid))
        finally:
            for process in (farm, scheduler):
                process.kill()
                process.wait()
    lengths = [sum(chain.tasks) for chain in chains]
    return Simulated(
        makespan=wall / second,
        floor=max(*lengths, sum(lengths) / workers),
        scheduler_load=computed / (wall / second),
        tasks=sum(len(chain.tasks) for chain in chains),
    )


async def _run(
    file: Path, chains: Sequence[Chain], workers: int, second: float, scheduler: int
) -> tuple[float, float]:
    """Return the seconds on the clock, and those that the scheduler computed."""
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"})
    async with Client(scheduler_file=str(file), asynchronous=True, set_as_default=False) as client:
        await client.wait_for_workers(workers)
        before, started = _computed(scheduler), perf_counter()
        longest_first = sorted(chains, key=lambda chain: -sum(chain.tasks))
        await asyncio.gather(
            *(_follow(client, chain, n, second) for n, chain in enumerate(longest_first))
        )
        return perf_counter() - started, _computed(scheduler) - before


async def _follow(client: Client, chain: Chain, number: int, second: float) -> None:
    state = bytes(round(chain.state * second))
    for n, seconds in enumerate(chain.tasks):
        state = await client.submit(
            _wait,
            state,
            seconds * second,
            key=f"{chain.name}-{number}-{n}",
            resources={_RESOURCE: 1},
            priority=round(sum(chain.tasks[n:])),
        )


async def _wait(state: bytes, seconds: float) -> bytes:
    await asyncio.sleep(seconds)
    return state


def _computed(process: int) -> float:
    times = psutil.Process(process).cpu_times()
    return float(times.user + times.system)


def _start(*command: str) -> "subprocess.Popen[bytes]":
    # The scheduler imports what tasks call, too.
    folders = (str(Path(__file__).parent), os.environ.get("PYTHONPATH", ""))
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, folders))}
    return subprocess.Popen([sys.executable, *command], stderr=subprocess.DEVNULL, env=env)


async def _farm(file: str, number: int) -> None:
    """Run workers, all in this process, until it is killed."""
    dask.config.set(_UNWATCHED)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    options: dict[str, Any] = {
        "nthreads": 1,
        "memory_limit": 0,
        "dashboard": False,
        "resources": {_RESOURCE: 1},
    }
    workers = [Worker(scheduler_file=file, name=n, **options) for n in range(number)]
    await asyncio.gather(*workers)
    await asyncio.gather(*(worker.finished() for worker in workers))


if __name__ == "__main__":
    asyncio.run(_farm(sys.argv[1], int(sys.argv[2])))
