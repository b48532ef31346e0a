"""Many replicates at once, on anything that implements concurrent.futures.Executor.

The unit of work is one epoch of one replicate. Any free worker takes the next epoch of whichever
replicate has waited longest, so five replicates keep two cores busy to the end, and a finished
epoch's state is at hand in the process that asked for it.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from safetensors.torch import load, save

from fashionbench.errors import TrainingError
from fashionbench.examples import load_examples
from fashionbench.networks import configure_torch
from fashionbench.training import Epoch, Replicate, initial_state, train_epoch, weights


@dataclass(frozen=True, kw_only=True)
class EpochTask:
    """One epoch of one replicate; ``state`` is safetensors, or None before the first epoch."""

    replicate: Replicate
    epoch: int
    state: bytes | None
    train: Path
    val: Path


@dataclass(frozen=True, kw_only=True)
class EpochResult:
    """A row of the curves, and the state after it; safetensors, without the moments at the end."""

    row: Epoch
    state: bytes
    is_last: bool


def train_replicates(
    executor: Executor, replicates: Iterable[Replicate], train: Path, val: Path
) -> Iterator[EpochResult]:
    """Train replicates on the splits in two files, and yield every epoch as it ends.

    The epochs of one replicate come in order, those of several in any.

    The result with ``is_last`` carries the replicate's weights. Raises TrainingError if a replicate
    diverges or a worker dies; the epochs still waiting are then dropped.
    """
    tasks = [
        EpochTask(replicate=replicate, epoch=1, state=None, train=train, val=val)
        for replicate in replicates
    ]
    # Submitted before the first result is asked for: workers start while the caller prepares.
    pending = {executor.submit(run_epoch, task): task for task in tasks}
    return _results(executor, pending)


def _results(
    executor: Executor, pending: dict[Future[EpochResult], EpochTask]
) -> Iterator[EpochResult]:
    try:
        while pending:
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                task = pending.pop(future)
                result = future.result()
                if not result.is_last:
                    following = replace(task, epoch=task.epoch + 1, state=result.state)
                    pending[executor.submit(run_epoch, following)] = following
                yield result
    except BrokenProcessPool as error:
        raise TrainingError(
            "a worker process died, most likely for want of memory; free some, or let fewer "
            "workers run at once (taskset -c 0 dvc repro)"
        ) from error
    finally:
        for future in pending:
            future.cancel()


def run_epoch(task: EpochTask) -> EpochResult:
    """What a worker does: one epoch, in one thread, from bytes to bytes."""
    configure_torch()
    replicate, how = task.replicate, task.replicate.how
    state = load(task.state) if task.state else initial_state(replicate)
    train, val = (load_examples(path, how.device) for path in (task.train, task.val))
    row, state = train_epoch(replicate, task.epoch, state, train, val)
    is_last = task.epoch == how.num_epochs
    return EpochResult(row=row, state=save(weights(state) if is_last else state), is_last=is_last)


def curves(rows: Iterable[Epoch]) -> list[dict[str, object]]:
    """The rows of the learning curves as a table, by seed and epoch."""
    return [asdict(row) for row in sorted(rows, key=lambda row: (row.seed, row.epoch))]


def best_seed(rows: Iterable[Epoch]) -> int:
    """The seed with the highest validation accuracy at the end, the smallest among equals."""
    return max(rows, key=lambda row: (row.epoch, row.val_accuracy, -row.seed)).seed
