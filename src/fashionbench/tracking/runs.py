"""Logs a training to MLflow as it goes, and a stage that failed.

To import MLflow takes two seconds, too long for a training of seconds, which nobody watches: that
is logged only if it fails; otherwise the stage ``mirror``, which ends every pipeline, logs it.
"""

import atexit
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from fashionbench.errors import StoreError
from fashionbench.paths import split_file
from fashionbench.pipeline import environment
from fashionbench.pipeline.dependencies import Dependencies, digest

if TYPE_CHECKING:
    from fashionbench.tracking.log import Log
    from fashionbench.training.epoch import Epoch, Replicate
    from fashionbench.training.replicates import Workers

DECIMALS = 6
"""As in the tables in metrics/, so that live and mirrored values are the same to the last bit."""
PATIENCE_S = 60.0
"""How long a finished training waits for what is still to be logged."""
PATIENCE_WHEN_INTERRUPTED_S = 10.0

_SHORT = 15_000_000
"""Bytes of images to train on: twenty thousand of Fashion-MNIST's, seconds for a perceptron."""


class TrainingRuns:
    """The runs of one training of one network: a parent, and one child per seed.

    Skips replicates whose runs are complete and those that another process is training now. What a
    short training tells is kept until it fails, and dropped if it does not. All logging
    happens in a background thread: a slow store never delays the training, and Ctrl-C, which Python
    raises in the main thread, never interrupts a database transaction. The first failure of the
    store is a warning, after which nothing more is logged.
    """

    def __init__(
        self, replicates: Sequence["Replicate"], dependencies: Dependencies, workers: "Workers"
    ) -> None:
        self._open: dict[int | None, Log] = {}
        """By seed. The first is the parent, of None."""
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="mlflow", daemon=True)
        self._tasks.put(lambda: self._start(replicates, dependencies, workers))
        if not _is_short(replicates):
            self._begin()

    def log_epoch(self, row: "Epoch") -> None:
        """Log the metrics of one epoch of a replicate, rounded as in the table of its curves."""
        values = {name: round(value, DECIMALS) for name, value in asdict(row).items()}
        del values["seed"]
        self._log(row.seed, lambda run: run.add_epoch(values))

    def log_divergence(self, seed: int, reason: str) -> None:
        """End the run of a replicate as failed, with the reason."""
        self._log(seed, lambda _: self._open.pop(seed).end("FAILED", reason))

    def end(self, status: str, reason: str = "") -> None:
        """End all runs that are still open with one of MLflow's statuses."""

        def end_all(_: "Log") -> None:
            for run in reversed(self._open.values()):
                run.end(status, reason)

        if status == "FAILED":
            self._begin()
        self._log(None, end_all)

    def wait(self, patience: float) -> None:
        """Wait until everything is logged, for at most ``patience`` seconds."""
        if not self._has_begun:
            return
        self._tasks.put(None)
        self._thread.join(patience)
        if self._thread.is_alive():
            from fashionbench.tracking.store import warn

            warn(f"no answer for {patience:.0f} s")

    @property
    def _has_begun(self) -> bool:
        return self._thread.ident is not None

    def _begin(self) -> None:
        """Begin to log what has been told so far, unless that has begun."""
        # In this thread: two that import at a time may see half of a module.
        import fashionbench.tracking.log  # noqa: F401

        if not self._has_begun:
            self._thread.start()

    def _log(self, seed: int | None, log: Callable[["Log"], None]) -> None:
        """Have the thread log to the run of a seed, or to the parent, if that is open then."""

        def work() -> None:
            from fashionbench.tracking.store import locked_store

            if seed in self._open:
                with locked_store():
                    log(self._open[seed])

        self._tasks.put(work)

    def _work(self) -> None:
        from fashionbench.tracking.store import warn

        is_reachable = True
        for task in iter(self._tasks.get, None):
            if is_reachable:
                try:
                    task()
                except StoreError as error:
                    is_reachable = False
                    warn(error)

    def _start(
        self, replicates: Sequence["Replicate"], dependencies: Dependencies, workers: "Workers"
    ) -> None:
        from fashionbench.tracking.log import Runs, study_run
        from fashionbench.tracking.run_spec import (
            describe_network,
            describe_replicate,
            provenance_of_training,
        )
        from fashionbench.tracking.store import locked_store

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
                if not runs.is_busy(below.key) and not runs.is_whole(below.key)
            }
            if not to_log:
                return
            parent = runs.start(spec, study_run(client, experiment), provenance)
            self._open[None] = parent
            for seed, below in to_log.items():
                self._open[seed] = runs.start(below, parent.run, provenance)


@contextmanager
def track_training(
    replicates: Sequence["Replicate"], dependencies: Dependencies, workers: "Workers"
) -> Iterator[TrainingRuns]:
    """Open the runs of a network's training by workers; end them with the status of the block.

    ``dependencies`` are those of the stage that trains.
    """
    runs = TrainingRuns(replicates, dependencies, workers)
    try:
        yield runs
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            runs.end("KILLED")
        else:
            runs.end("FAILED", str(error))
        # At exit, so that ending the workers does not wait for a slow store.
        atexit.register(runs.wait, PATIENCE_WHEN_INTERRUPTED_S)
        raise
    runs.end("FINISHED")
    runs.wait(PATIENCE_S)


def log_failure(reason: str) -> None:
    """Log the failure of a stage of a DVC experiment as a run; a repeated one updates that run.

    Those that fail before training would not reach MLflow. Requires the variables that DVC sets in
    the environment of an experiment. An unreachable store is a warning.
    """
    from fashionbench.tracking.log import Runs
    from fashionbench.tracking.run_spec import RunSpec, provenance_of_training
    from fashionbench.tracking.store import locked_store, warn

    provenance = provenance_of_training(environment.describe())
    experiment, stage = provenance["dvc.experiment"], provenance["dvc.stage"]
    key = digest("failure", experiment, stage)
    spec = RunSpec(key=key, name=f"{experiment}: {stage} failed", note=reason)
    try:
        with locked_store() as (client, experiment_id):
            log = Runs(client, experiment_id, key=key).start(spec, None, provenance)
            log.end("FAILED", reason)
    except StoreError as error:
        warn(error)


def _is_short(replicates: Sequence["Replicate"]) -> bool:
    """Tell whether a training is expected to end within seconds, by the images that it takes."""
    first = replicates[0]
    images = split_file("train", first.network.images)
    if not images.is_file():
        return False
    epochs = len(replicates) * first.hyperparameters.num_epochs
    return epochs * images.stat().st_size < _SHORT
