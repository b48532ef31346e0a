"""Logs a training to MLflow while it runs.

All logging happens in a background thread. So a slow store never delays the training, and Ctrl-C,
which Python raises in the main thread, never interrupts a database transaction.
"""

import atexit
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from queue import SimpleQueue
from threading import Thread

from mlflow.entities import RunStatus

from fashionbench.errors import StoreError
from fashionbench.pipeline.dependencies import Dependencies
from fashionbench.tracking.run_spec import (
    describe_network,
    describe_replicate,
    provenance_of_training,
)
from fashionbench.tracking.runs import DECIMALS, Log, Results, Runs, study_run
from fashionbench.tracking.store import locked_store, warn
from fashionbench.training.epoch import Epoch, Replicate
from fashionbench.training.replicates import Workers

PATIENCE_S = 60.0
"""How long a finished training waits for the background thread."""
PATIENCE_WHEN_INTERRUPTED_S = 10.0


class TrainingRuns:
    """The runs of one training of one network: a parent, and one child per seed.

    Skips replicates whose runs are complete and those that another process is training now. The
    first failure of the store is a warning, after which nothing more is logged.
    """

    def __init__(
        self, replicates: Sequence[Replicate], dependencies: Dependencies, workers: Workers
    ) -> None:
        self._parent: Log | None = None
        self._open: dict[int, Log] = {}
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="mlflow", daemon=True)
        self._thread.start()
        self._tasks.put(lambda: self._start(replicates, dependencies, workers))

    def log_epoch(self, row: Epoch) -> None:
        """Log the metrics of one epoch of a replicate, rounded as in the table of its curves."""
        values = {name: round(value, DECIMALS) for name, value in asdict(row).items()}
        del values["seed"]

        def log() -> None:
            if row.seed in self._open:
                with locked_store():
                    self._open[row.seed].add(Results(curve=[values]))

        self._tasks.put(log)

    def log_divergence(self, seed: int, reason: str) -> None:
        """End the run of a replicate as failed, with the reason."""

        def log() -> None:
            if seed in self._open:
                with locked_store():
                    self._open.pop(seed).end(RunStatus.FAILED, reason)

        self._tasks.put(log)

    def end(self, status: int, reason: str = "") -> None:
        """End all runs that are still open with a status of mlflow.entities.RunStatus."""

        def log() -> None:
            with locked_store():
                for run in [*self._open.values(), *([self._parent] if self._parent else [])]:
                    run.end(status, reason)

        self._tasks.put(log)

    def wait(self, patience: float) -> None:
        """Wait until everything is logged, for at most ``patience`` seconds."""
        self._tasks.put(None)
        self._thread.join(patience)
        if self._thread.is_alive():
            warn(f"no answer for {patience:.0f} s")

    def _work(self) -> None:
        is_reachable = True
        for task in iter(self._tasks.get, None):
            if is_reachable:
                try:
                    task()
                except StoreError as error:
                    is_reachable = False
                    warn(error)

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
        spec = describe_network(network, hyperparameters, specs)
        provenance = provenance_of_training(workers.describe())
        with locked_store() as (client, experiment):
            runs = Runs(client, experiment, network=network.name)
            to_log = {
                seed: below
                for seed, below in specs.items()
                if not runs.is_busy(below.key) and not runs.is_mirrored(below.key)
            }
            if not to_log:
                return
            self._parent = runs.start(spec, study_run(client, experiment), provenance)
            for seed, below in to_log.items():
                self._open[seed] = runs.start(below, self._parent.run, provenance)


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
