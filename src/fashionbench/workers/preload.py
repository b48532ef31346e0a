"""Prepares a worker of Dask's: ``dask worker --preload fashionbench.workers.preload``.

The worker then tells the scheduler what it is. ``fashionbench worker`` gives this option itself.
"""

import socket

from distributed import Worker

from fashionbench.portable.processor import is_x86, pin_arithmetic

_TRAININGS = ("n2_mlp", "n8_conv (last batch)")
"""Of those with known results the ones that take a second: a perceptron and convolutions."""


async def dask_setup(worker: Worker) -> None:
    """Describe a worker, and let it run one task at a time; called by Dask before it registers.

    One that makes other bits than the defined ones gets no task.
    """
    pin_arithmetic()
    # Torch is imported after that, and what tasks need while nobody waits for it.
    from fashionbench.pipeline import environment
    from fashionbench.training import self_test
    from fashionbench.workers.chunks import FACTS, Interrupts, devices, own_build, resource_of

    build, found = own_build(), devices()
    is_defined = is_x86() and build["capability"] == "AVX2"
    differing = self_test.differing(_TRAININGS) if is_defined else []
    facts = {
        "build": build,
        "differing": differing,
        "environment": environment.describe() | {"machine.host": socket.gethostname()},
    }
    worker.startup_information[FACTS] = lambda _: facts
    for device in () if differing else ("", *found, *found.values()):
        resource = resource_of(build, device)
        worker.state.total_resources[resource] = 1
        worker.state.available_resources[resource] = 1
    await worker.plugin_add(Interrupts())
