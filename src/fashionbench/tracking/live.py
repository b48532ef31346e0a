"""A training as it goes on: runs that are open while it is, and their curves point by point.

MLflow is told from a thread of its own. So a slow store never holds up a training, and Ctrl-C,
which Python raises in the main thread, never breaks off a statement half-way in the database.
"""

import atexit
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from queue import SimpleQueue
from threading import Thread

from mlflow.entities import Metric, Param, RunStatus
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_PARENT_RUN_ID

from fashionbench import provenance
from fashionbench.dependencies import Dependencies
from fashionbench.tracking.store import (
    DIVERGED_TAG,
    FAILURES,
    KEY_TAG,
    LAUNCHER_TAG,
    NETWORK_TAG,
    SEED_TAG,
    now_ms,
    open_store,
    replicate_key,
    warn,
)
from fashionbench.training import Epoch, Replicate

CURVES = [field.name for field in fields(Epoch) if field.name not in ("seed", "epoch")]

PATIENCE_S = 60.0
"""How long a training that has ended waits for MLflow to have taken what it was told."""
PATIENCE_WHEN_INTERRUPTED_S = 10.0


class _Messenger(Thread):
    """Does what it is told, in order; the first failure is said, and the rest is left out."""

    def __init__(self) -> None:
        super().__init__(name="mlflow", daemon=True)
        self._errands: SimpleQueue[Callable[[], object] | None] = SimpleQueue()

    def tell(self, errand: Callable[[], object]) -> None:
        """Take an errand, to be run when those before it are done."""
        self._errands.put(errand)

    def finish(self, patience: float) -> None:
        """Wait until all errands are done, but no longer than ``patience`` seconds."""
        self._errands.put(None)
        self.join(patience)
        if self.is_alive():
            warn(f"it has not answered for {patience:.0f} s")

    def run(self) -> None:
        """What the thread does."""
        is_reachable = True
        for errand in iter(self._errands.get, None):
            if is_reachable:
                try:
                    errand()
                except FAILURES as error:
                    is_reachable = False
                    warn(error)


class TrainingRuns:
    """The runs of one training of one network: a parent, and a child for each seed."""

    def __init__(self, replicates: Sequence[Replicate], dependencies: Dependencies) -> None:
        self._open: dict[int, str] = {}
        self._messenger = _Messenger()
        self._messenger.start()
        # `mlflow run` exports its own run, which each run made here would resume instead of being
        # new.
        launcher = os.environ.pop("MLFLOW_RUN_ID", None)
        self._messenger.tell(lambda: self._start(replicates, dependencies, launcher))

    def log_epoch(self, row: Epoch) -> None:
        """Add one point to each curve of a replicate."""
        now = now_ms()
        metrics = [Metric(name, getattr(row, name), now, row.epoch) for name in CURVES]
        self._messenger.tell(lambda: self._client.log_batch(self._open[row.seed], metrics=metrics))

    def log_divergence(self, seed: int, reason: str) -> None:
        """End the run of a replicate as failed, and say why."""

        def tell() -> None:
            self._client.set_tag(self._open[seed], DIVERGED_TAG, reason)
            self._client.set_terminated(self._open.pop(seed), RunStatus.to_string(RunStatus.FAILED))

        self._messenger.tell(tell)

    def end(self, status: int) -> None:
        """Close what is still open with one of mlflow.entities.RunStatus."""

        def tell() -> None:
            for run in (*self._open.values(), self._parent):
                self._client.set_terminated(run, RunStatus.to_string(status))

        self._messenger.tell(tell)

    def wait(self, patience: float) -> None:
        """Wait until MLflow has been told everything, but no longer than ``patience`` seconds."""
        self._messenger.finish(patience)

    def _start(
        self, replicates: Sequence[Replicate], dependencies: Dependencies, launcher: str | None
    ) -> None:
        self._client, experiment = open_store()
        network, how = replicates[0].network, replicates[0].how
        tags = provenance.describe() | {NETWORK_TAG: network.name}
        tags[MLFLOW_GIT_COMMIT] = tags.get("git.commit", "")
        if launcher:
            tags[LAUNCHER_TAG] = launcher
        used = {**asdict(network), **asdict(how)}
        params = {key: str(value) for key, value in used.items() if key != "name"}

        def create(name: str, more_tags: dict[str, str], more_params: dict[str, str]) -> str:
            run = self._client.create_run(experiment, tags=tags | more_tags, run_name=name)
            logged = [Param(key, value) for key, value in (params | more_params).items()]
            self._client.log_batch(run.info.run_id, params=logged)
            return str(run.info.run_id)

        seeds = [replicate.seed for replicate in replicates]
        self._parent = create(network.name, {}, {"seeds": str(seeds)})
        for replicate in replicates:
            below = {
                MLFLOW_PARENT_RUN_ID: self._parent,
                SEED_TAG: str(replicate.seed),
                KEY_TAG: replicate_key(replicate, dependencies),
            }
            name = f"{network.name} seed {replicate.seed}"
            self._open[replicate.seed] = create(name, below, {"seed": str(replicate.seed)})


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
        interrupted = isinstance(error, KeyboardInterrupt)
        runs.end(RunStatus.KILLED if interrupted else RunStatus.FAILED)
        # Later, when the workers have ended: they must not wait for a slow store.
        atexit.register(runs.wait, PATIENCE_WHEN_INTERRUPTED_S)
        raise
    runs.end(RunStatus.FINISHED)
    runs.wait(PATIENCE_S)
