"""One replicate that a cluster trains: what has ended, what is on disk and what is waited for.

Epochs are asked for one by one, in order, and come in chunks. A row is handed on as soon as a
worker has told of it, the last one when the weights are on disk.
"""

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

import torch
from safetensors.torch import load, save

from fashionbench.errors import DivergedError
from fashionbench.training.checkpoints import Checkpoint
from fashionbench.training.epoch import Epoch, State
from fashionbench.training.optimizers import PREFIX
from fashionbench.training.replicates import EpochTask
from fashionbench.workers.chunks import Chunk

_DEVICE = f"{PREFIX}device"
"""A tensor of a state that names the device in UTF-8. Only trainings on a cluster look for it."""


class Training:
    """The training of a replicate from the epoch of ``task`` on; used by a single thread.

    ``stop`` ends what the cluster does for it.
    """

    def __init__(self, task: EpochTask) -> None:
        self.task = task
        self.stop: Callable[[], object] = lambda: None
        self._rows: dict[int, Epoch] = {}
        self._saved = task.epoch - 1
        self._failure: Exception | None = None
        self._wanted: Future[Epoch] | None = None

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to compute."""
        return self._failure is not None or self._saved == self._last

    @property
    def _last(self) -> int:
        return self.task.replicate.hyperparameters.num_epochs

    def start(self) -> Chunk:
        """Return the replicate as it is on disk. Raises DataError if that was damaged."""
        if not self._saved:
            return Chunk()
        found = self.task.checkpoints.load(self.task.replicate, self._saved)
        state = dict(found.state)
        device = bytes(state.pop(_DEVICE, torch.tensor([])).tolist()).decode()
        return Chunk(rows=found.rows, state=save(state), device=device)

    def want(self, task: EpochTask, future: Future[Epoch]) -> None:
        """Hand the row of an epoch on as soon as it is there."""
        self.task, self._wanted = task, future
        self._hand_on()

    def hear(self, row: Epoch) -> None:
        """Take note of an epoch that has ended on a worker."""
        self._rows.setdefault(row.epoch, row)
        self._hand_on()

    def keep(self, chunk: Chunk) -> None:
        """Write a checkpoint. Raises ChangedError, OSError."""
        if len(chunk.rows) > self._saved:
            checkpoint = Checkpoint(rows=chunk.rows, state=self._state(chunk))
            self.task.checkpoints.save(self.task.replicate, checkpoint)
            self._saved = len(chunk.rows)
        self._rows |= {row.epoch: row for row in chunk.rows}
        if chunk.divergence:
            self._failure = DivergedError(chunk.divergence)
        self._hand_on()

    def fail(self, error: Exception) -> None:
        """End the training with an error, which whoever waits for an epoch gets."""
        self._failure = self._failure or error
        self._hand_on()
        with suppress(Exception):  # If the cluster has gone, nothing runs there.
            self.stop()

    def _state(self, chunk: Chunk) -> State:
        state = load(chunk.state)
        if len(chunk.rows) == self._last:
            return state
        return state | {_DEVICE: torch.tensor(list(chunk.device.encode()), dtype=torch.uint8)}

    def _hand_on(self) -> None:
        future, epoch = self._wanted, self.task.epoch
        if future is None:
            return
        is_there = epoch in self._rows and (epoch < self._last or self._saved == self._last)
        if not is_there and self._failure is None:
            return
        self._wanted = None
        if not future.set_running_or_notify_cancel():
            return
        if is_there:
            future.set_result(self._rows[epoch])
        else:
            future.set_exception(self._failure)
