"""Logs a training to MLflow while it runs.

All logging happens in a background thread. So a slow store never delays the training, and Ctrl-C,
which Python raises in the main thread, never interrupts a database transaction.
"""

import atexit
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from queue import SimpleQueue
from threading import Thread

from mlflow.entities import Metric, RunStatus

from fashionbench.errors import StoreError
from fashionbench.pipeline.dependencies import Dependencies
from fashionbench.tracking.run_spec import (
    describe_network,
    describe_replicate,
    provenance_of_training,
)
from fashionbench.tracking.runs import Runs, end
from fashionbench.tracking.store import locked_store, now_ms, warn
from fashionbench.tracking.study_run import study_run
from fashionbench.training.epoch import Epoch, Replicate
from fashionbench.workers.pool import Workers

CURVES = [field.name for field in fields(Epoch) if field.name not in ("seed", "epoch")]

DECIMALS = 6
"""As in the tables in metrics/, so that live and mirrored values are the same to the last bit."""

PATIENCE_S = 60.0
"""How long a finished training waits for the background thread."""
PATIENCE_WHEN_INTERRUPTED_S = 10.0


class _BackgroundLogger(Thread):
    """Runs tasks in order; warns about the first failure and skips all tasks after it."""

    def __init__(self) -> None:
        super().__init__(name="mlflow", daemon=True)
        self._tasks: SimpleQueue[Callable[[], object] | None] = SimpleQueue()

    def submit(self, task: Callable[[], object]) -> None:
        """Queue a task."""
        self._tasks.put(task)

    def finish(self, patience: float) -> None:
        """Wait until all tasks are done, for at most ``patience`` seconds."""
        self._tasks.put(None)
        self.join(patience)
        if self.is_alive():
            warn(f"no answer for {patience:.0f} s")

    def run(self) -> None:
        """Run the tasks; called by the thread."""
        is_reachable = True
        for task in iter(self._tasks.get, None):
            if is_reachable:
                try:
                    task()
                except StoreError as error:
                    is_reachable = False
                    warn(error)


class TrainingRuns:
    """The runs of one training of one network: a parent, and one child per seed.

    Skips replicates whose runs are complete and those that another process is training now.
    """

    def __init__(
        self, replicates: Sequence[Replicate], dependencies: Dependencies, workers: Workers
    ) -> None:
        self._open: dict[int, str] = {}
        self._logged: dict[int, set[int]] = {}
        self._parent: str | None = None
        self._logger = _BackgroundLogger()
        self._logger.start()
        self._logger.submit(lambda: self._start(replicates, dependencies, workers))

    def log_epoch(self, row: Epoch) -> None:
        """Log the metrics of one epoch of a replicate, rounded as in the table of its curves."""
        now = now_ms()
        values = {name: round(getattr(row, name), DECIMALS) for name in CURVES}
        metrics = [Metric(name, value, now, row.epoch) for name, value in values.items()]

        def log() -> None:
            if row.seed in self._open and row.epoch not in self._logged[row.seed]:
                with locked_store() as (client, _):
                    client.log_batch(self._open[row.seed], metrics=metrics)

        self._logger.submit(log)

    def log_divergence(self, seed: int, reason: str) -> None:
        """End the run of a replicate as failed, with the reason."""

        def log() -> None:
            if seed in self._open:
                with locked_store() as (client, _):
                    end(client, self._open.pop(seed), RunStatus.FAILED, reason)

        self._logger.submit(log)

    def end(self, status: int, reason: str = "") -> None:
        """End all runs that are still open with a status of mlflow.entities.RunStatus."""

        def log() -> None:
            still_open = [*self._open.values(), *([self._parent] if self._parent else [])]
            with locked_store() as (client, _):
                for run in still_open:
                    end(client, run, status, reason)

        self._logger.submit(log)

    def wait(self, patience: float) -> None:
        """Wait until everything is logged, for at most ``patience`` seconds."""
        self._logger.finish(patience)

    def _start(
        self, replicates: Sequence[Replicate], dependencies: Dependencies, workers: Workers
    ) -> None:
        network, hyperparameters = replicates[0].network, replicates[0].hyperparameters
        specs = {
            replicate.seed: describe_replicate(
                network, hyperparameters, replicate.seed, dependencies
            )
            for replicate in replicates
        }
        parent_spec = describe_network(network, hyperparameters, specs)
        provenance_tags = provenance_of_training(workers.describe())
        with locked_store() as (client, experiment):
            runs = Runs(client, experiment, network.name)
            to_log = {
                seed: spec
                for seed, spec in specs.items()
                if not runs.is_busy(spec.key) and not runs.is_mirrored(spec.key)
            }
            if not to_log:
                return
            above = study_run(client, experiment)
            self._parent = runs.start(parent_spec, above, provenance_tags)
            for seed, spec in to_log.items():
                self._logged[seed] = runs.epochs(spec.key)
                self._open[seed] = runs.start(spec, self._parent, provenance_tags)


@contextmanager
def track_training(
    replicates: Sequence[Replicate], dependencies: Dependencies, workers: Workers
) -> Iterator[TrainingRuns]:
    """Open the runs of a network's training by workers; end them with the status of the block.

    ``dependencies`` are those of the stage that trains.
    """
    runs = TrainingRuns(replicates, dependencies, workers)
    try:
        yield runs
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            runs.end(RunStatus.KILLED)
        else:
            runs.end(RunStatus.FAILED, str(error))
        # At exit, so that ending the workers does not wait for a slow store.
        atexit.register(runs.wait, PATIENCE_WHEN_INTERRUPTED_S)
        raise
    runs.end(RunStatus.FINISHED)
    runs.wait(PATIENCE_S)
