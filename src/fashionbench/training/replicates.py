"""Train many replicates at once, on whatever workers there are.

The unit of work is one epoch of one replicate, or several that follow one another. Any free worker
takes the next ones of some replicate, so five replicates keep two cores busy to the end. On one
machine the state passes from one epoch to the next in a checkpoint, not through an executor: a
worker that is killed in the middle of a large result leaves a process pool waiting for the rest.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

from safetensors.torch import save

from fashionbench.data.examples import Examples, load_examples
from fashionbench.errors import DivergedError, TrainingError
from fashionbench.portable.processor import configure_torch
from fashionbench.training.checkpoints import Checkpoint, Checkpoints
from fashionbench.training.epoch import Epoch, Replicate, initial_state, train_epoch, weights


@dataclass(frozen=True, kw_only=True)
class EpochTask:
    """One epoch of a replicate, counted from 1; ``train`` and ``val`` are files of splits."""

    replicate: Replicate
    epoch: int
    checkpoints: Checkpoints
    train: Path
    val: Path

    def __str__(self) -> str:
        return f"{self.replicate.network.name} seed {self.replicate.seed}, epoch {self.epoch}"

    def after(self, epochs: int) -> "EpochTask":
        """Return the task that comes after that many epochs."""
        return replace(self, epoch=epochs + 1)

    @property
    def is_last(self) -> bool:
        """Whether no epoch follows."""
        return self.epoch == self.replicate.hyperparameters.num_epochs

    @property
    def epochs_left(self) -> int:
        """The number of epochs to train, this one included."""
        return self.replicate.hyperparameters.num_epochs - self.epoch + 1


@dataclass(frozen=True, kw_only=True)
class FinishedEpoch:
    """One row of the curves; with the last of a replicate its weights, as safetensors.

    ``is_restored`` is set if an interrupted training had finished the epoch.
    """

    replicate: Replicate
    row: Epoch
    weights: bytes | None
    is_restored: bool


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """The end of a replicate whose loss is no longer a finite number."""

    replicate: Replicate
    reason: str


Tell = Callable[[Epoch | BaseException], object]
"""Takes what comes of a training: a row, or the error that ends it. Any thread may call it."""


class Workers(Protocol):
    """What trains replicates: processes of this machine, or the workers of a cluster."""

    def train(self, task: EpochTask, tell: Tell) -> None:
        """Have a replicate trained from the epoch of a task to its last, and return at once.

        ``tell`` gets each epoch in order, and the last when the weights are in the checkpoint; or
        an error, and then nothing more.
        """

    def describe(self) -> dict[str, str]:
        """Return facts about the workers for MLflow, such as versions and the processor."""


def train_replicates(
    workers: Workers,
    replicates: Iterable[Replicate],
    train: Path,
    val: Path,
    checkpoints: Checkpoints,
) -> Iterator[FinishedEpoch | Divergence]:
    """Train replicates on the splits in two files; yield every epoch when it ends.

    See :func:`train_together`.
    """
    return train_together(workers, first_tasks(replicates, train, val, checkpoints))


def first_tasks(
    replicates: Iterable[Replicate], train: Path, val: Path, checkpoints: Checkpoints
) -> list[EpochTask]:
    """Return the first epochs of replicates."""
    return [
        EpochTask(replicate=replicate, epoch=1, checkpoints=checkpoints, train=train, val=val)
        for replicate in replicates
    ]


def train_together(
    workers: Workers, tasks: Iterable[EpochTask]
) -> Iterator[FinishedEpoch | Divergence]:
    """Train replicates, each from its first epoch, and yield every epoch when it ends.

    Epochs in checkpoints come first and are not trained again. Those of one replicate come in
    order. When a replicate diverges, the others go on to their end; then TrainingError names all
    that diverged. Any other error is raised at once, and workers begin no further epoch.
    Checkpoints stay until the caller removes them.
    """
    told: SimpleQueue[tuple[EpochTask, Epoch | BaseException]] = SimpleQueue()
    restored, running = [], 0
    for task in tasks:
        rows = task.checkpoints.restore(task.replicate)
        restored += [(replace(task, epoch=row.epoch), row) for row in rows]
        if len(rows) < task.replicate.hyperparameters.num_epochs:
            # Here, not in the generator: workers start while the caller prepares.
            workers.train(task.after(len(rows)), partial(_put, told, task))
            running += 1
    return _events(restored, told, running)


def _put(
    told: "SimpleQueue[tuple[EpochTask, Epoch | BaseException]]",
    task: EpochTask,
    what: Epoch | BaseException,
) -> None:
    told.put((task, what))


def _events(
    restored: list[tuple[EpochTask, Epoch]],
    told: "SimpleQueue[tuple[EpochTask, Epoch | BaseException]]",
    running: int,
) -> Iterator[FinishedEpoch | Divergence]:
    for task, row in restored:
        yield _finished(task, row, is_restored=True)
    diverged = {}
    while running:
        task, what = told.get()
        if isinstance(what, Epoch):
            task = replace(task, epoch=what.epoch)
            running -= task.is_last
            yield _finished(task, what, is_restored=False)
        elif isinstance(what, DivergedError):
            running -= 1
            diverged[task.replicate] = str(what)
            yield Divergence(replicate=task.replicate, reason=str(what))
        else:
            raise what
    if diverged:
        raise TrainingError(_describe(diverged))


def _finished(task: EpochTask, row: Epoch, is_restored: bool) -> FinishedEpoch:
    last_weights = None
    if task.is_last:
        last_weights = save(dict(task.checkpoints.load(task.replicate, task.epoch).state))
    return FinishedEpoch(
        replicate=task.replicate, row=row, weights=last_weights, is_restored=is_restored
    )


def _describe(diverged: dict[Replicate, str]) -> str:
    """Describe in one line what diverged, with the reason of each replicate of each network."""
    seeds, rates = defaultdict(list), {}
    for replicate, reason in diverged.items():
        seeds[replicate.network.name].append(f"seed {replicate.seed} ({reason})")
        rates[replicate.network.name] = replicate.hyperparameters.learning_rate
    return "; ".join(
        f"{name} diverged with {', '.join(sorted(seeds[name]))}; "
        f"try a learning_rate below {rates[name]}"
        for name in sorted(seeds)
    )


def run_epoch(task: EpochTask) -> Epoch:
    """Train one epoch in a worker, with one thread, from one checkpoint to the next.

    The checkpoint after the last epoch holds the weights alone. Raises DivergedError, ChangedError,
    DataError.
    """
    replicate, device = task.replicate, task.replicate.hyperparameters.device
    before = task.checkpoints.load(replicate, task.epoch - 1)
    train, val = (load_examples(path, device) for path in (task.train, task.val))
    after = next(train_epochs(replicate, before, train, val))
    task.checkpoints.save(replicate, after)
    return after.rows[-1]


def train_epochs(
    replicate: Replicate, before: Checkpoint, train: Examples, val: Examples
) -> Iterator[Checkpoint]:
    """Train with one thread from a checkpoint to the last epoch; yield the one after each epoch.

    The last holds the weights alone. Raises DivergedError.
    """
    configure_torch()
    rows, last = before.rows, replicate.hyperparameters.num_epochs
    state = dict(before.state) if rows else initial_state(replicate)
    while len(rows) < last:
        row, state = train_epoch(replicate, len(rows) + 1, state, train, val)
        rows = (*rows, row)
        yield Checkpoint(rows=rows, state=weights(state) if len(rows) == last else state)


def curves(rows: Iterable[Epoch]) -> list[dict[str, object]]:
    """Return the rows of the learning curves as a table, sorted by seed and epoch."""
    return [asdict(row) for row in sorted(rows, key=lambda row: (row.seed, row.epoch))]
