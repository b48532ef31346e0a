"""A training as it goes on: runs that are open while it is, and their curves point by point.

MLflow is told from a thread of its own. So a slow store never holds up a training, and Ctrl-C,
which Python raises in the main thread, never breaks off a statement half-way in the database.
"""

import atexit
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from queue import SimpleQueue
from threading import Thread

from mlflow.entities import Metric, RunStatus

from fashionbench.pipeline.dependencies import Dependencies
from fashionbench.tracking.run_spec import describe_network, describe_replicate, trained_here
from fashionbench.tracking.runs import Runs, end
from fashionbench.tracking.store import FAILURES, locked_store, now_ms, warn
from fashionbench.training.epoch import Epoch, Replicate

CURVES = [field.name for field in fields(Epoch) if field.name not in ("seed", "epoch")]

DECIMALS = 6
"""As in the tables in metrics/: what MLflow is told in either way is the same to the last bit."""

PATIENCE_S = 60.0
"""How long a training that has ended waits for MLflow to have taken what it was told."""
PATIENCE_WHEN_INTERRUPTED_S = 10.0


class _BackgroundLogger(Thread):
    """Does what it is told, in order; the first failure is said, and the rest is left out."""

    def __init__(self) -> None:
        super().__init__(name="mlflow", daemon=True)
        self._tasks: SimpleQueue[Callable[[], object] | None] = SimpleQueue()

    def submit(self, task: Callable[[], object]) -> None:
        """Take a task, to be run when those before it are done."""
        self._tasks.put(task)

    def finish(self, patience: float) -> None:
        """Wait until all tasks are done, but no longer than ``patience`` seconds."""
        self._tasks.put(None)
        self.join(patience)
        if self.is_alive():
            warn(f"it has not answered for {patience:.0f} s")

    def run(self) -> None:
        """What the thread does."""
        is_reachable = True
        for task in iter(self._tasks.get, None):
            if is_reachable:
                try:
                    task()
                except FAILURES as error:
                    is_reachable = False
                    warn(error)


class TrainingRuns:
    """The runs of one training of one network: a parent, and a child for each seed.

    A replicate that MLflow shows completely already, or that another process is training at this
    moment, is left as it is.
    """

    def __init__(self, replicates: Sequence[Replicate], dependencies: Dependencies) -> None:
        self._open: dict[int, str] = {}
        self._shown: dict[int, set[int]] = {}
        self._parent: str | None = None
        self._logger = _BackgroundLogger()
        self._logger.start()
        self._logger.submit(lambda: self._start(replicates, dependencies))

    def log_epoch(self, row: Epoch) -> None:
        """Add one point to each curve of a replicate, as the table of its curves will have it."""
        now = now_ms()
        values = {name: round(getattr(row, name), DECIMALS) for name in CURVES}
        metrics = [Metric(name, value, now, row.epoch) for name, value in values.items()]

        def log() -> None:
            if row.seed in self._open and row.epoch not in self._shown[row.seed]:
                with locked_store() as (client, _):
                    client.log_batch(self._open[row.seed], metrics=metrics)

        self._logger.submit(log)

    def log_divergence(self, seed: int, reason: str) -> None:
        """End the run of a replicate as failed, and say why."""

        def log() -> None:
            if seed in self._open:
                with locked_store() as (client, _):
                    end(client, self._open.pop(seed), RunStatus.FAILED, reason)

        self._logger.submit(log)

    def end(self, status: int, reason: str = "") -> None:
        """Close what is still open with one of mlflow.entities.RunStatus."""

        def log() -> None:
            still_open = [*self._open.values(), *([self._parent] if self._parent else [])]
            with locked_store() as (client, _):
                for run in still_open:
                    end(client, run, status, reason)

        self._logger.submit(log)

    def wait(self, patience: float) -> None:
        """Wait until MLflow has been told everything, but no longer than ``patience`` seconds."""
        self._logger.finish(patience)

    def _start(self, replicates: Sequence[Replicate], dependencies: Dependencies) -> None:
        network, hyperparameters = replicates[0].network, replicates[0].hyperparameters
        below = {
            replicate.seed: describe_replicate(
                network, hyperparameters, replicate.seed, dependencies
            )
            for replicate in replicates
        }
        above = describe_network(network, hyperparameters, below)
        provenance_tags = trained_here()
        with locked_store() as (client, experiment):
            runs = Runs(client, experiment, network.name)
            to_show = {
                seed: spec
                for seed, spec in below.items()
                if not runs.is_busy(spec.key) and not runs.is_mirrored(spec.key)
            }
            if not to_show:
                return
            self._parent = runs.start(above, None, provenance_tags)
            for seed, spec in to_show.items():
                self._shown[seed] = runs.epochs(spec.key)
                self._open[seed] = runs.start(spec, self._parent, provenance_tags)


@contextmanager
def track_training(
    replicates: Sequence[Replicate], dependencies: Dependencies
) -> Iterator[TrainingRuns]:
    """Open the runs of a network's training, and close them as what they turned out to be.

    ``dependencies`` are those of the stage that trains.
    """
    runs = TrainingRuns(replicates, dependencies)
    try:
        yield runs
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            runs.end(RunStatus.KILLED)
        else:
            runs.end(RunStatus.FAILED, str(error))
        # Later, when the workers have ended: they must not wait for a slow store.
        atexit.register(runs.wait, PATIENCE_WHEN_INTERRUPTED_S)
        raise
    runs.end(RunStatus.FINISHED)
    runs.wait(PATIENCE_S)
