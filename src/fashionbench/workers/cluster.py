"""Workers of a Dask cluster: they train in chunks of epochs, and this process writes checkpoints.

Any cluster will do. Splits and states go there, and rows and states come back, through Dask: its
workers neither read nor write files, and no folder is shared.
"""

import logging
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from textwrap import shorten
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

import dask
import torch
from distributed import Client
from safetensors.torch import load, save

from fashionbench.data.splits import load_split
from fashionbench.errors import DivergedError, WorkerError
from fashionbench.networks import own
from fashionbench.pipeline.dependencies import sha256_of
from fashionbench.training.checkpoints import Checkpoint
from fashionbench.training.costs import forward_products, outside_of_the_table
from fashionbench.training.optimizers import PREFIX
from fashionbench.training.replicates import EpochTask, Tell
from fashionbench.workers.chunks import (
    FACTS,
    Build,
    Chunk,
    hand_over,
    own_build,
    resource_of,
    run_chunk,
)
from fashionbench.workers.scheduler import explain, told_in_one_line

TASK_SECONDS = "fashionbench.task-seconds"
"""Dask's setting for the seconds after which a task begins no further epoch."""
CHUNK_S = 10.0
"""Its value unless it is set."""
_LOOK_S = 1.0
"""Seconds between two looks at whether workers have joined, or are needed but missing."""
_CLOSE_S = 5
_ALL_WORKERS = "all"
"""The topic of the events by which Dask's scheduler announces workers that join or leave."""
_FIRST = 1 << 60
"""The priority of what all trainings wait for."""
_DEVICE = f"{PREFIX}device"
"""A tensor of a state that names the device in UTF-8. Only trainings on a cluster look for it."""
PATIENCE_S = 30.0
"""Seconds after which a lack of workers is reported, and for which describing them waits."""
_REMEDIES = {
    "processor": "use machines of one architecture",
    "torch": "install requirements-cluster.txt there",
    "numpy": "install requirements-cluster.txt there",
    "capability": "start it with fashionbench worker",
}
"""What to do about a difference; any other is one of code."""
_LONGEST_TAG = 500
"""Characters of a fact about all workers together."""

_log = logging.getLogger(__name__)


@contextmanager
def cluster_workers(address: str) -> Iterator["ClusterWorkers"]:
    """Open the workers of the scheduler at an address; what they do here ends with the block.

    Raises WorkerError if it cannot be connected with.
    """
    # What goes wrong becomes one line of ours.
    for logger in ("distributed", "distributed.client"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    # Dask takes a split for too large to be an argument; but as one it survives any worker's death.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
        with told_in_one_line(address):
            seconds = float(dask.config.get(TASK_SECONDS, CHUNK_S))
            client = Client(address, set_as_default=False)
        workers = ClusterWorkers(client, address, seconds)
        try:
            yield workers
        finally:
            workers.close()


class ClusterWorkers:
    """Trains replicates on a cluster, in tasks of some ``seconds``; see ``replicates.Workers``.

    A thread of its own follows each replicate. Keys of tasks are this client's own, so that no two
    clients share one.
    """

    def __init__(self, client: Client, address: str, seconds: float) -> None:
        self._client, self._address, self._seconds = client, address, seconds
        self._keys = (f"{uuid.uuid4().hex[:12]}-{number}" for number in count())
        self._build = own_build()
        self._members = Members(address, self._build)
        self._splits: dict[Path, Any] = {}
        self._running: set[Any] = set()
        self._error: Exception | None = None
        self._lock = Lock()
        """Held while a task is added to those that run, or all of them are cancelled."""
        self._threads: list[Thread] = []
        self._is_closed, self._have_changed = Event(), Event()
        self._have_changed.set()
        client.subscribe_topic(_ALL_WORKERS, lambda _: self._have_changed.set())
        self._watcher = Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def train(self, task: EpochTask, tell: Tell) -> None:
        """Train a replicate, as :class:`fashionbench.training.replicates.Workers` says."""
        self._threads.append(Thread(target=self._train, args=(task, tell), daemon=True))
        self._threads[-1].start()

    def describe(self) -> dict[str, str]:
        """Return facts about all workers together."""
        return self._members.describe()

    def close(self) -> None:
        """Cancel all tasks on the cluster; trainings that are not over end with an error."""
        self._is_closed.set()
        self._cancel(WorkerError("the stage has ended"))
        # Before the client ends: it leaves what it is asked meanwhile without an answer, for ever.
        for thread in self._threads:
            thread.join()
        # A scheduler that has stopped tells nothing of its workers, and need not.
        self._watcher.join(_CLOSE_S)
        with suppress(Exception):  # The scheduler may have gone.
            self._client.unsubscribe_topic(_ALL_WORKERS)
            self._client.close(timeout=_CLOSE_S)

    def _watch(self) -> None:
        """Look at the workers when some have joined or left, and whether any are missing."""
        while not self._is_closed.wait(_LOOK_S):
            if self._have_changed.is_set():
                self._have_changed.clear()
                with suppress(Exception):  # If the scheduler has gone, the tasks fail.
                    self._members.update(self._client.scheduler_info(n_workers=-1)["workers"])
            try:
                self._members.check(bool(self._running))
            except WorkerError as error:
                self._cancel(error)

    def _cancel(self, error: Exception) -> None:
        """End all trainings, and those that begin later, with an error."""
        with self._lock:
            self._error = self._error or error
            for future in self._running:
                with suppress(Exception):  # If the cluster has gone, nothing runs there.
                    future.cancel(force=True)

    def _train(self, task: EpochTask, tell: Tell) -> None:
        told, last = task.epoch - 1, task.replicate.hyperparameters.num_epochs
        future = None
        try:
            future = self._submit(task, _resume(task))
            while future:
                chunk = self._result(future, task.after(told))
                is_over = len(chunk.rows) == last or chunk.divergence
                # Submitted before the checkpoint is written, so that no worker waits for the disk.
                future = None if is_over else self._submit(task, chunk)
                if chunk.rows[told:]:
                    _save(task, chunk)
                for row in chunk.rows[told:]:
                    tell(row)
                told = len(chunk.rows)
                if chunk.divergence:
                    raise DivergedError(chunk.divergence)
        except Exception as error:  # noqa: BLE001 - whoever waits for the training is told.
            with suppress(Exception):
                if future:
                    future.cancel(force=True)
            tell(self._error or error)

    def _submit(self, task: EpochTask, before: Chunk) -> Any:
        """Let a worker go on, on the same device as before if the bits depend on that."""
        replicate = task.replicate
        needed = [resource_of(self._build)]
        if outside_of_the_table(replicate.network, replicate.hyperparameters):
            device = before.device or replicate.hyperparameters.device
            needed.append(resource_of(self._build, device))
        with self._lock:
            if self._error:
                raise self._error
            future = self._client.submit(
                run_chunk,
                replicate,
                before,
                self._split(task.train),
                self._split(task.val),
                seconds=self._seconds,
                code=own.code_of(replicate.network),
                key=f"{replicate.network.name}-{next(self._keys)}",
                pure=False,
                resources=dict.fromkeys(needed, 1),
                priority=forward_products(replicate.network)
                * task.after(len(before.rows)).epochs_left,
            )
            self._running.add(future)
        return future

    def _split(self, path: Path) -> Any:
        """Send a split to the cluster, unless it is there; DataError if the file is none.

        The same images have one name, also for several stages at once.
        """
        if path not in self._splits:
            load_split(path)
            resource = resource_of(self._build)
            self._splits[path] = self._client.submit(
                hand_over,
                path.read_bytes(),
                key=f"split-{sha256_of(path)}-{resource}",
                resources={resource: 1},
                priority=_FIRST,
            )
        return self._splits[path]

    def _result(self, future: Any, task: EpochTask) -> Chunk:
        """Wait for a chunk, whose first new epoch is that of ``task``."""
        try:
            chunk: Chunk = future.result()
        except Exception as error:
            # Otherwise Dask has dropped the task, or the scheduler has gone with its result.
            failure = error if future.status == "error" else None
            raise explain(failure, str(task), self._address) from error
        finally:
            with self._lock:
                self._running.discard(future)
        return chunk


def _resume(task: EpochTask) -> Chunk:
    """Return a replicate as it is on disk before a task. Raises DataError if that was damaged."""
    found = task.checkpoints.load(task.replicate, task.epoch - 1)
    state = dict(found.state)
    device = bytes(state.pop(_DEVICE, torch.tensor([])).tolist()).decode()
    return Chunk(rows=found.rows, state=save(state), device=device)


def _save(task: EpochTask, chunk: Chunk) -> None:
    """Write a chunk as a checkpoint. Raises ChangedError, OSError."""
    state = load(chunk.state)
    if len(chunk.rows) < task.replicate.hyperparameters.num_epochs:
        state[_DEVICE] = torch.tensor(list(chunk.device.encode()), dtype=torch.uint8)
    task.checkpoints.save(task.replicate, Checkpoint(rows=chunk.rows, state=state))


def difference(own: Build, other: Build) -> str:
    """Say in one line how another process differs, and what to do there; empty if it doesn't.

    Equal bits need an equal architecture, of which x86-64 is the only one with defined ones.
    """
    differing = [name for name in {**own, **other} if own.get(name) != other.get(name)]
    if not differing:
        return ""
    first, more = differing[0], len(differing) - 1
    values = f"is {other.get(first, 'missing')}, not {own.get(first, 'there')}"
    also = f" (and {more} more differ)" if more else ""
    remedy = _REMEDIES.get(first, "give it the code of this repository and start it again")
    return f"its {first} {values}{also}; {remedy}"


class Members:
    """The workers of the scheduler at ``address``, as it last told of them.

    Those of another ``build`` get no task, since they lack its resource; each is named once.
    """

    def __init__(self, address: str, build: Build) -> None:
        self._address = address
        self._build = build
        self._facts: dict[str, dict[str, str]] = {}
        self._refused: list[str] = []
        self._named: set[str] = set()
        self._has_some = Event()
        self._needed_since = monotonic()

    def update(self, workers: Mapping[str, Mapping[str, Any]]) -> None:
        """Take over what the scheduler tells of its workers, by their addresses."""
        self._facts, self._refused = {}, []
        for address, told in workers.items():
            worker = f"worker {told.get('name')} at {address}"
            if reason := self._reason_against(told):
                self._refused.append(f"{worker} is refused: {reason}")
                self._warn_once(self._refused[-1])
                continue
            self._facts[address] = told[FACTS]["environment"]
            if (threads := told.get("nthreads", 1)) > 1:
                self._warn_once(
                    f"{worker} has {threads} threads, and trains one replicate at a time; start "
                    f"it with --nthreads 1 --nworkers {threads}"
                )
        if self._facts:
            self._has_some.set()

    def check(self, is_needed: bool) -> None:
        """Warn if workers have been needed for a while, and there are none.

        Raises WorkerError, which names one, if all that are there are refused.
        """
        if self._facts or not is_needed:
            self._needed_since = monotonic()
        elif monotonic() - self._needed_since > PATIENCE_S:
            if self._refused:
                raise WorkerError(self._refused[0])
            self._warn_once(
                f"waiting for workers to join {self._address}: start some with "
                f"fashionbench worker {self._address}"
            )

    def describe(self) -> dict[str, str]:
        """Return the facts of all that may train, each with the values that it has.

        Waits a while if there are none.
        """
        self._has_some.wait(PATIENCE_S)
        all_facts = list(self._facts.values())
        names = sorted({name for facts in all_facts for name in facts})
        return {
            "machine.scheduler": self._address,
            "machine.workers": str(len(all_facts)),
            **{name: _join(facts.get(name, "") for facts in all_facts) for name in names},
        }

    def _reason_against(self, told: Mapping[str, Any]) -> str:
        if FACTS not in told:
            return (
                f"it does not say what it runs; start it with fashionbench worker {self._address}, "
                "or with --preload fashionbench.workers.preload"
            )
        if differing := told[FACTS]["differing"]:
            return f"its bits differ ({', '.join(differing)}); fashionbench doctor says why, there"
        return difference(self._build, told[FACTS]["build"])

    def _warn_once(self, line: str) -> None:
        if line not in self._named:
            self._named.add(line)
            _log.warning(line)


def _join(values: Iterable[str]) -> str:
    return shorten("; ".join(sorted({*values} - {""})), _LONGEST_TAG, placeholder=" ...")
