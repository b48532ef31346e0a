"""Prepares a worker of Dask's: ``dask worker --preload fashionbench.workers.preload``.

The worker then tells the scheduler what it is. ``fashionbench worker`` gives this option itself.
"""

import socket
from dataclasses import asdict

from distributed import Worker

from fashionbench.pipeline.processor import pin_arithmetic

FACTS = "fashionbench"
"""Under what Dask's scheduler keeps a worker's facts."""

# Before anything imports torch.
pin_arithmetic()


async def dask_setup(worker: Worker) -> None:
    """Describe a worker, and let it run one task at a time; called by Dask before it registers."""
    from fashionbench.pipeline import environment

    # What tasks need is imported while nobody waits for it.
    from fashionbench.workers import chunks  # noqa: F401
    from fashionbench.workers.build import Build, devices
    from fashionbench.workers.interrupts import Interrupts

    build, found = Build.own(), devices()
    facts = {
        "build": asdict(build),
        "environment": environment.describe() | {"machine.host": socket.gethostname()},
    }
    worker.startup_information[FACTS] = lambda _: facts
    for resource in (build.resource, *map(build.resource_of, (*found, *found.values()))):
        worker.state.total_resources[resource] = 1
        worker.state.available_resources[resource] = 1
    await worker.plugin_add(Interrupts())
