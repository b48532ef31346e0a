"""What a worker of a cluster is, and does: some epochs of a replicate, a function of its arguments.

What decides about a worker's bits is a resource of Dask's, of which it has one: so the scheduler
itself gives a task only to workers that make its bits, also to those that join late, and one task
at a time to each. A task of some seconds keeps Dask's scheduler from being busier than its workers.
Nothing is read from or written to files.

Dask forgets a running task that is cancelled, but does not stop it: after Ctrl-C or ``kill -9`` of
the stage a worker would train on for seconds, for nobody. So its thread is made to raise an
exception at its next bytecode (CPython's ``PyThreadState_SetAsyncExc``), which in a training comes
within a step.
"""

import ctypes
import platform
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from distributed import Reschedule, WorkerPlugin, get_worker
from safetensors.torch import load, save

import fashionbench
from fashionbench.data.examples import Examples, check_device
from fashionbench.errors import DivergedError
from fashionbench.networks import own
from fashionbench.params import Device
from fashionbench.pipeline.dependencies import digest, sha256_of
from fashionbench.portable import processor
from fashionbench.training.checkpoints import Checkpoint
from fashionbench.training.epoch import Epoch, Replicate
from fashionbench.training.replicates import train_epochs

FACTS = "fashionbench"
"""The name under which Dask's scheduler keeps a worker's facts."""
_PACKAGES = (".", "portable", "networks", "pipeline", "data", "training", "workers")
"""Those whose code a worker can run: no module of theirs imports from others."""
_DIGITS = 12
"""Hexadecimal digits of each digest to report: every worker reports every file."""

_threads: dict[str, int] = {}
"""The thread of each task that runs and may be interrupted."""
_lock = threading.Lock()

Build = Mapping[str, str]
"""What decides about the bits that a process makes: versions, code by file, and torch's kernels."""


def own_build() -> Build:
    """Describe this process. Call it once, when the code has just been imported."""
    package = Path(fashionbench.__file__).parent
    files = sorted(file for name in _PACKAGES for file in (package / name).glob("*.py"))
    return {
        "processor": platform.machine(),
        **{name: version(name) for name in ("torch", "numpy")},
        "capability": torch.backends.cpu.get_cpu_capability(),
        **{file.relative_to(package).as_posix(): sha256_of(file)[:_DIGITS] for file in files},
    }


def resource_of(build: Build, device: str = "") -> str:
    """Return Dask's resource of workers that make the same bits.

    With ``device``, those that also have a device: "cuda", or the name of one.
    """
    return f"fashionbench {digest(build)[:_DIGITS]} {device}".strip()


def devices() -> dict[str, str]:
    """Return the names of this process's devices, by their kind."""
    found = {"cpu": processor.name()}
    if torch.cuda.is_available():
        found["cuda"] = torch.cuda.get_device_name()
    return found


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """A replicate after some epochs: its rows from the first one, and its state, as safetensors.

    After the last epoch the state is the weights alone. ``divergence`` is the reason why the epoch
    after these has no result, ``device`` the name of the one that computed; both may be empty.
    """

    rows: tuple[Epoch, ...] = ()
    state: bytes = b""
    divergence: str = ""
    device: str = ""


def run_chunk(
    replicate: Replicate,
    before: Chunk,
    train: bytes,
    val: bytes,
    seconds: float,
    code: Mapping[str, str],
) -> Chunk:
    """Train a replicate from a chunk on, as a task of Dask's; see :func:`train_chunk`.

    ``code`` are the files of the network's module, where the task comes from. Raises ConfigError
    for a device that the worker does not have, and for other files.
    """
    if code != own.code_of(replicate.network):
        raise own.refuse(
            replicate.network,
            f"a worker of the cluster has other files of it in {Path.cwd()}; give it the code of "
            "this repository",
        )
    with interruptible(str(get_worker().get_current_task())):
        return train_chunk(replicate, before, train, val, seconds)


def train_chunk(
    replicate: Replicate, before: Chunk, train: bytes, val: bytes, seconds: float
) -> Chunk:
    """Train for some seconds, at least one epoch, with one thread.

    ``train`` and ``val`` are the contents of files of splits.
    """
    end, device, divergence = monotonic() + seconds, replicate.hyperparameters.device, ""
    splits = [_examples(content, device) for content in (train, val)]
    reached = Checkpoint(rows=before.rows, state=load(before.state) if before.rows else {})
    try:
        for after in train_epochs(replicate, reached, *splits):
            reached = after
            if monotonic() >= end:
                break
    except DivergedError as error:
        divergence = str(error)
    return Chunk(
        rows=reached.rows,
        state=save(dict(reached.state)),
        divergence=divergence,
        device=devices()[device],
    )


def hand_over(content: bytes) -> bytes:
    """Return a split, as a task: Dask repeats it where the worker that held its result is lost."""
    return content


def _examples(content: bytes, device: Device) -> Examples:
    check_device(device)
    split = load(content)
    return Examples(split["images"].to(device), split["labels"].to(device).long())


class Interrupts(WorkerPlugin):
    """Interrupts the tasks of a worker that are no longer wanted."""

    name = "fashionbench-interrupts"

    def transition(self, key: Any, start: str, finish: str, **_: object) -> None:
        """Interrupt a task that is released while it runs; called by the worker."""
        if start == "executing" and finish == "released":
            with _lock:
                if thread := _threads.pop(str(key), None):
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(
                        ctypes.c_ulong(thread), ctypes.py_object(Reschedule)
                    )


@contextmanager
def interruptible(key: str) -> Iterator[None]:
    """Run the task ``key`` in this block and thread; Reschedule is raised if it is interrupted.

    Should anybody want the task again in the meantime, Dask starts it anew for that exception.
    """
    with _lock:
        _threads[key] = threading.get_ident()
    try:
        yield
    finally:
        with _lock:
            _threads.pop(key, None)
