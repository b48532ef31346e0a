"""Workers of a Dask cluster: they train in chunks of epochs, and this process writes checkpoints.

Any cluster will do. Splits and states go there, and rows and states come back, through Dask: its
workers neither read nor write files, and no folder is shared. All that happens is told to one
thread of this process, which alone handles the trainings.
"""

import logging
import math
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any

import dask
from distributed import Client

from fashionbench.data.splits import load_split
from fashionbench.errors import WorkerError
from fashionbench.pipeline.dependencies import sha256_of
from fashionbench.training.epoch import Epoch
from fashionbench.training.replicates import EpochTask
from fashionbench.workers.build import Build, is_portable
from fashionbench.workers.chunks import CHUNK_S, Chunk, hand_over, run_chunk
from fashionbench.workers.cluster_errors import explain, unreachable
from fashionbench.workers.costs import remaining_cost
from fashionbench.workers.members import Members
from fashionbench.workers.pool import Workers
from fashionbench.workers.progressing import Training

_LOOK_S = 1.0
"""Seconds between two looks at who has joined."""
_CLOSE_S = 5
_ALL_WORKERS = "all"
"""The topic under which Dask's scheduler tells of workers that come and go."""
_FIRST = 1 << 60
"""The priority of what all trainings wait for."""


@contextmanager
def cluster_workers(address: str) -> Iterator[Workers]:
    """Open the workers of the scheduler at an address; what they do here ends with the block.

    Raises WorkerError if there is no scheduler.
    """
    # What goes wrong becomes one line of ours.
    for logger in ("distributed", "distributed.client"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    # Dask takes a split for too large to be an argument; but as one it survives any worker's death.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
        try:
            client = Client(address, set_as_default=False)
        except (OSError, ValueError) as error:
            raise unreachable(address, error) from error
        workers = _ClusterWorkers(client, address)
        try:
            yield workers
        finally:
            workers.shutdown()


class _ClusterWorkers(Workers):
    """Trains epochs on a cluster. Keys and topics are this client's own, so that none meet."""

    def __init__(self, client: Client, address: str) -> None:
        self._client, self._address = client, address
        self._topic = f"fashionbench-{uuid.uuid4().hex[:12]}"
        self._build = Build.own()
        self._members = Members(address, self._build)
        self._look_at = monotonic()
        self._trainings: dict[tuple[str, int], Training] = {}
        self._splits: dict[Path, Any] = {}
        self._chunks = 0
        self._error: Exception | None = None
        self._happenings: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        client.subscribe_topic(self._topic, self._hear)
        client.subscribe_topic(_ALL_WORKERS, self._hear_of_workers)
        self._thread = Thread(target=self._run, name="cluster", daemon=True)
        self._thread.start()

    def submit(  # type: ignore[override]  # One task of one kind, always.
        self, function: Callable[[EpochTask], Epoch], task: EpochTask, /
    ) -> Future[Epoch]:
        """Train an epoch; ``function`` would do so in a process on this machine."""
        if self._error:
            raise self._error
        future: Future[Epoch] = Future()
        self._happenings.put(partial(self._want, task, future))
        return future

    def describe(self) -> dict[str, str]:
        return self._members.describe()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End all tasks on the cluster; whoever still waits for one gets an error."""
        self._happenings.put(None)
        for training in list(self._trainings.values()):
            with suppress(Exception):  # The scheduler may have gone.
                training.stop()
        with suppress(Exception):
            for topic in (self._topic, _ALL_WORKERS):
                self._client.unsubscribe_topic(topic)
            self._client.close(timeout=_CLOSE_S)
        self._thread.join()
        while not self._happenings.empty():  # Asked for meanwhile, by another thread.
            if happening := self._happenings.get():
                happening()

    def _run(self) -> None:
        """Attend to what happens, one after the other, and to who joins."""
        while (happening := self._next()) is not None:
            try:
                happening()
                self._attend_to_workers()
            except Exception as error:  # noqa: BLE001 - it is raised where an epoch is waited for.
                self._end(error)
        self._end(WorkerError("the stage has ended"))

    def _end(self, error: Exception) -> None:
        self._error = self._error or error
        for training in self._trainings.values():
            training.fail(error)

    def _next(self) -> Callable[[], object] | None:
        try:
            return self._happenings.get(timeout=_LOOK_S)
        except Empty:
            return lambda: None

    def _attend_to_workers(self) -> None:
        if self._look_at <= monotonic():
            self._look_at = math.inf
            with suppress(Exception):  # If the scheduler has gone, the chunks tell of it.
                self._members.update(self._client.scheduler_info(n_workers=-1)["workers"])
        self._members.check(not all(training.is_over for training in self._trainings.values()))

    def _want(self, task: EpochTask, future: Future[Epoch]) -> None:
        name = (task.replicate.network.name, task.replicate.seed)
        training = self._trainings.get(name)
        if training and task.epoch == training.task.epoch + 1:
            training.want(task, future)
            return
        training = self._trainings[name] = Training(task)
        training.want(task, future)
        if self._error:
            training.fail(self._error)
            return
        with _failing(training):
            self._submit_chunk(training, training.start())

    def _submit_chunk(self, training: Training, before: Chunk) -> None:
        """Let a worker go on, on the same device as before if the bits depend on that."""
        replicate = training.task.replicate
        needed = [self._build.resource]
        if not is_portable(replicate.hyperparameters):
            device = before.device or replicate.hyperparameters.device
            needed.append(self._build.resource_of(device))
        self._chunks += 1
        chunk = self._client.submit(
            run_chunk,
            replicate,
            before,
            self._split(training.task.train),
            self._split(training.task.val),
            topic=self._topic,
            seconds=CHUNK_S,
            key=f"{replicate.network.name}-{self._topic}-{self._chunks}",
            pure=False,
            resources=dict.fromkeys(needed, 1),
            priority=remaining_cost(training.task),
        )
        training.stop = partial(chunk.cancel, force=True)
        chunk.add_done_callback(
            lambda done: self._happenings.put(partial(self._end_chunk, training, done))
        )

    def _split(self, path: Path) -> Any:
        """Send a split to the cluster, unless it is there; DataError if the file is none.

        The same images have one name, also for several stages at once.
        """
        if path not in self._splits:
            load_split(path)
            self._splits[path] = self._client.submit(
                hand_over,
                path.read_bytes(),
                key=f"split-{sha256_of(path)}-{self._build.resource}",
                resources={self._build.resource: 1},
                priority=_FIRST,
            )
        return self._splits[path]

    def _end_chunk(self, training: Training, done: Any) -> None:
        with _failing(training):
            if done.status != "finished":
                error = done.exception() if done.status == "error" else None
                raise explain(error, str(training.task), self._address)
            try:
                chunk: Chunk = done.result()
            except OSError as error:  # The scheduler has gone between the end and the result.
                raise explain(None, str(training.task), self._address) from error
            training.stop = lambda: None
            last = training.task.replicate.hyperparameters.num_epochs
            if len(chunk.rows) < last and not chunk.divergence:
                self._submit_chunk(training, chunk)
            training.keep(chunk)

    def _hear(self, event: tuple[float, dict[str, Any]]) -> None:
        _, told = event
        self._happenings.put(partial(self._hear_of_epoch, told["network"], Epoch(**told["row"])))

    def _hear_of_epoch(self, network: str, row: Epoch) -> None:
        if training := self._trainings.get((network, row.seed)):
            training.hear(row)

    def _hear_of_workers(self, event: tuple[float, dict[str, Any]]) -> None:
        _, told = event
        if told.get("action") in ("add-worker", "remove-worker"):
            self._look_at = min(self._look_at, monotonic() + _LOOK_S)


@contextmanager
def _failing(training: Training) -> Iterator[None]:
    """Let a training fail with whatever goes wrong in this block."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - it is raised where the epoch is waited for.
        training.fail(error)
