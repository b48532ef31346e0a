"""Prepares a worker of Dask's: ``dask worker --preload fashionbench.workers.preload``.

The worker then tells the scheduler what it is. ``fashionbench worker`` gives this option itself.
"""

import socket
from dataclasses import asdict

from distributed import Worker

from fashionbench.pipeline.processor import is_x86, pin_arithmetic

FACTS = "fashionbench"
"""Under what Dask's scheduler keeps a worker's facts."""
_TRAININGS = ("n2_mlp", "n8_conv (last batch)")
"""Of those with known results the ones that take a second: a perceptron and convolutions."""

# Before anything imports torch.
pin_arithmetic()


async def dask_setup(worker: Worker) -> None:
    """Describe a worker, and let it run one task at a time; called by Dask before it registers.

    One that makes other bits than the defined ones gets no task.
    """
    from fashionbench.pipeline import environment
    from fashionbench.training import self_test

    # What tasks need is imported while nobody waits for it.
    from fashionbench.workers import chunks  # noqa: F401
    from fashionbench.workers.build import Build, devices
    from fashionbench.workers.interrupts import Interrupts

    build, found = Build.own(), devices()
    is_defined = is_x86() and build.capability == "AVX2"
    differing = self_test.differing(_TRAININGS) if is_defined else []
    facts = {
        "build": asdict(build),
        "differing": differing,
        "environment": environment.describe() | {"machine.host": socket.gethostname()},
    }
    worker.startup_information[FACTS] = lambda _: facts
    names = (build.resource, *map(build.resource_of, (*found, *found.values())))
    for resource in () if differing else names:
        worker.state.total_resources[resource] = 1
        worker.state.available_resources[resource] = 1
    await worker.plugin_add(Interrupts())
