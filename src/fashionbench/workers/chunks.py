"""What a worker of a cluster does: several epochs of a replicate, as a function of its arguments.

A task of some seconds keeps Dask's scheduler from being busier than its workers. Nothing is read
from or written to files. The worker tells of each epoch as soon as it has ended.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any

from distributed import get_worker
from safetensors.torch import load, save

from fashionbench.data.examples import Examples, check_device
from fashionbench.errors import DivergedError
from fashionbench.params import Device
from fashionbench.training.epoch import Epoch, Replicate, initial_state, train_epoch, weights
from fashionbench.training.networks import configure_torch
from fashionbench.workers.build import devices
from fashionbench.workers.interrupts import interruptible

CHUNK_S = 10.0
"""Seconds after which a task begins no further epoch."""


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
    replicate: Replicate, before: Chunk, train: bytes, val: bytes, topic: str, seconds: float
) -> Chunk:
    """Train a replicate from a chunk on, for some seconds, as a task of Dask's.

    ``train`` and ``val`` are the contents of files of splits. Each row is an event of ``topic``.
    Raises ConfigError for a device that the worker does not have.
    """
    worker = get_worker()

    def tell(row: Epoch) -> None:
        worker.log_event(topic, {"network": replicate.network.name, "row": asdict(row)})

    with interruptible(str(worker.get_current_task())):
        return train_chunk(replicate, before, train, val, tell, seconds)


def train_chunk(
    replicate: Replicate,
    before: Chunk,
    train: bytes,
    val: bytes,
    tell: Callable[[Epoch], Any],
    seconds: float,
) -> Chunk:
    """Train for some seconds, at least one epoch, with one thread; ``tell`` of each that ends."""
    configure_torch()
    end, last = monotonic() + seconds, replicate.hyperparameters.num_epochs
    device = replicate.hyperparameters.device
    rows, divergence = list(before.rows), ""
    state = load(before.state) if rows else initial_state(replicate)
    splits = [_examples(content, device) for content in (train, val)]
    while len(rows) < last and (len(rows) == len(before.rows) or monotonic() < end):
        try:
            row, state = train_epoch(replicate, len(rows) + 1, state, *splits)
        except DivergedError as error:
            divergence = str(error)
            break
        rows.append(row)
        tell(row)
    kept = weights(state) if len(rows) == last else state
    return Chunk(
        rows=tuple(rows), state=save(kept), divergence=divergence, device=devices()[device]
    )


def hand_over(content: bytes) -> bytes:
    """Return a split, as a task: Dask repeats it where the worker that held its result is lost."""
    return content


def _examples(content: bytes, device: Device) -> Examples:
    check_device(device)
    split = load(content)
    return Examples(split["images"].to(device), split["labels"].to(device).long())
