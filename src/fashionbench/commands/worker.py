"""The command ``fashionbench worker``: Dask's own worker, in an environment that makes our bits."""

import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from fashionbench.workers.memory import MALLOC, TRIM_THRESHOLD

_MODULE = "distributed.cli.dask_worker"
"""What ``dask worker`` runs."""
_PRELOAD = "fashionbench.workers.preload"
_ENVIRONMENT = {
    # Read when a process starts. Dask's nanny sets the second one to 64 KiB unless it is set.
    "GLIBC_TUNABLES": MALLOC,
    "MALLOC_TRIM_THRESHOLD_": str(TRIM_THRESHOLD),
    # Dask's profiler stops the task a hundred times a second.
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
}
"""Variables to set unless the user has."""


def become_worker(scheduler: str, options: Sequence[str]) -> NoReturn:
    """Replace this process by ``dask worker``, with one thread; ``options`` are further ones.

    The process is expected to have its arithmetic pinned. Raises ModuleNotFoundError without Dask.
    """
    if importlib.util.find_spec("distributed") is None:
        raise ModuleNotFoundError("Dask is not installed", name="distributed")
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    defaults = ("--nthreads", "1", "--preload", _PRELOAD)
    os.execv(sys.executable, [sys.executable, "-m", _MODULE, scheduler, *defaults, *options])
