"""Train many replicates at once, on anything that implements concurrent.futures.Executor.

The unit of work is one epoch of one replicate. Any free worker takes the next epoch of whichever
replicate has waited longest, so five replicates keep two cores busy to the end. The state passes
from one epoch to the next in a checkpoint, not through the executor: a worker that is killed in the
middle of a large result leaves a process pool waiting for the rest.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from safetensors.torch import save

from fashionbench.data.examples import load_examples
from fashionbench.errors import DivergedError, TrainingError
from fashionbench.training.checkpoints import Checkpoint, Checkpoints
from fashionbench.training.epoch import Epoch, Replicate, initial_state, train_epoch, weights
from fashionbench.training.networks import configure_torch


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


@dataclass(frozen=True, kw_only=True)
class FinishedEpoch:
    """One row of the curves; with the last of a replicate its weights, as safetensors.

    ``is_restored`` is set if an interrupted training had finished the epoch.
    """

    row: Epoch
    weights: bytes | None
    is_restored: bool


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """The end of a replicate whose loss is no longer a finite number."""

    seed: int
    reason: str


def train_replicates(
    executor: Executor,
    replicates: Iterable[Replicate],
    train: Path,
    val: Path,
    checkpoints: Checkpoints,
) -> Iterator[FinishedEpoch | Divergence]:
    """Train replicates on the splits in two files; yield every epoch when it ends.

    Epochs in ``checkpoints`` come first and are not trained again. Those of one replicate come in
    order. When a replicate diverges, the others go on to their end; then TrainingError names all
    that diverged. Any other error is raised at once, and waiting epochs are cancelled. Checkpoints
    stay until the caller removes them.
    """
    tasks, restored = [], []
    for replicate in replicates:
        rows = checkpoints.restore(replicate)
        task = EpochTask(
            replicate=replicate,
            epoch=len(rows) + 1,
            checkpoints=checkpoints,
            train=train,
            val=val,
        )
        restored += [(replace(task, epoch=row.epoch), row) for row in rows]
        tasks.append(task)
    # Submitted here, not in the generator: workers start while the caller prepares.
    pending = {
        executor.submit(run_epoch, task): task
        for task in tasks
        if task.epoch <= task.replicate.hyperparameters.num_epochs
    }
    return _events(executor, restored, pending)


def _events(
    executor: Executor,
    restored: list[tuple[EpochTask, Epoch]],
    pending: dict[Future[Epoch], EpochTask],
) -> Iterator[FinishedEpoch | Divergence]:
    for task, row in restored:
        yield _finished(task, row, is_restored=True)
    diverged = {}
    try:
        while pending:
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                task = pending.pop(future)
                try:
                    row = future.result()
                except DivergedError as error:
                    diverged[task.replicate] = str(error)
                    yield Divergence(seed=task.replicate.seed, reason=str(error))
                    continue
                if task.epoch < task.replicate.hyperparameters.num_epochs:
                    following = replace(task, epoch=task.epoch + 1)
                    pending[executor.submit(run_epoch, following)] = following
                yield _finished(task, row, is_restored=False)
    finally:
        for future in pending:
            future.cancel()
    if diverged:
        raise TrainingError(_describe(diverged))


def _finished(task: EpochTask, row: Epoch, is_restored: bool) -> FinishedEpoch:
    last_weights = None
    if task.epoch == task.replicate.hyperparameters.num_epochs:
        last_weights = save(dict(task.checkpoints.load(task.replicate, task.epoch).state))
    return FinishedEpoch(row=row, weights=last_weights, is_restored=is_restored)


def _describe(diverged: dict[Replicate, str]) -> str:
    """Describe in one line the replicates of a network that diverged, with the reason of each."""
    network, hyperparameters = next(
        (replicate.network, replicate.hyperparameters) for replicate in diverged
    )
    seeds = [f"seed {replicate.seed} ({reason})" for replicate, reason in diverged.items()]
    return (
        f"{network.name} diverged with {', '.join(sorted(seeds))}; "
        f"try a learning_rate below {hyperparameters.learning_rate}"
    )


def run_epoch(task: EpochTask) -> Epoch:
    """Train one epoch in a worker, with one thread, from one checkpoint to the next.

    The checkpoint after the last epoch holds the weights alone. Raises DivergedError, ChangedError,
    DataError.
    """
    configure_torch()
    replicate, hyperparameters = task.replicate, task.replicate.hyperparameters
    before = task.checkpoints.load(replicate, task.epoch - 1)
    state = dict(before.state) if before.rows else initial_state(replicate)
    train, val = (load_examples(path, hyperparameters.device) for path in (task.train, task.val))
    row, state = train_epoch(replicate, task.epoch, state, train, val)
    kept = weights(state) if task.epoch == hyperparameters.num_epochs else state
    task.checkpoints.save(replicate, Checkpoint(rows=(*before.rows, row), state=kept))
    return row


def curves(rows: Iterable[Epoch]) -> list[dict[str, object]]:
    """Return the rows of the learning curves as a table, sorted by seed and epoch."""
    return [asdict(row) for row in sorted(rows, key=lambda row: (row.seed, row.epoch))]
