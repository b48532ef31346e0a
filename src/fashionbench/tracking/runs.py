"""Runs that are found again, whoever has made them, and go on.

A run is known by its key, a digest of all that makes it what it is. So a training that goes on, a
store that was lost and a commit that is checked out again all come to the same run.
"""

import os
import socket
from collections.abc import Iterable, Mapping

from mlflow import MlflowClient
from mlflow.entities import Param, Run, RunStatus, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from fashionbench.tracking.run_spec import NETWORK_TAG, RunSpec

KEY_TAG = "fashionbench.key"
"""What a run is known by."""
CONTENT_TAG = "fashionbench.content"
"""Of a run that shows all that DVC holds: a digest of that."""
FAILURE_TAG = "fashionbench.failure"
"""Of a run that failed: why."""
OWNER_TAG = "fashionbench.process"
"""Of a run that goes on: host and number of the process that tells MLflow of it."""
LAUNCHER = os.environ.get("MLFLOW_RUN_ID")
"""The id of the run of ``mlflow run``, which is the parent of those made below it.

Read at once: whenever MLflow ends a run, it takes the variable out of the environment.
"""

_EVERY_CURVE = "val_loss"  # The metrics of an epoch are told at once: all curves have it or none.
_PAGE = 1000
_LONGEST_REASON = 5000  # In MLflow's tables; a message that is longer says nothing more.


def end(client: MlflowClient, run: str, status: int, reason: str = "") -> None:
    """End a run, given by its id, with one of mlflow.entities.RunStatus."""
    if reason:
        client.set_tag(run, FAILURE_TAG, reason[:_LONGEST_REASON])
    client.set_terminated(run, RunStatus.to_string(status))


class Runs:
    """The runs of the experiment, or of one network in it, by their keys.

    Whoever makes this marks the runs of processes that have died as killed.
    """

    def __init__(self, client: MlflowClient, experiment: str, network: str | None = None) -> None:
        self._client, self._experiment = client, experiment
        self._by_key: dict[str, Run] = {}
        for run in self._search(f"tags.`{NETWORK_TAG}` = '{network}'" if network else ""):
            if run.info.status == "RUNNING" and _owner_is(run, alive=False):
                end(client, run.info.run_id, RunStatus.KILLED)
            # Newest first.
            self._by_key.setdefault(run.data.tags.get(KEY_TAG, run.info.run_id), run)

    def find(self, key: str) -> Run | None:
        """The run with a key, as it was when this was made."""
        return self._by_key.get(key)

    def is_complete(self, key: str, content: str) -> bool:
        """Whether a run shows exactly what the digest ``content`` is of."""
        run = self.find(key)
        return bool(
            run and run.info.status == "FINISHED" and run.data.tags.get(CONTENT_TAG) == content
        )

    def is_mirrored(self, key: str) -> bool:
        """Whether a run shows all results, so that a training of the same adds nothing."""
        run = self.find(key)
        return bool(run and run.info.status == "FINISHED" and CONTENT_TAG in run.data.tags)

    def is_busy(self, key: str) -> bool:
        """Whether another process of this machine is telling MLflow of this run now."""
        run = self.find(key)
        return bool(run and run.info.status == "RUNNING" and _owner_is(run, alive=True))

    def parent(self, key: str) -> str | None:
        """The id of the run above a run."""
        run = self.find(key)
        return run.data.tags.get(MLFLOW_PARENT_RUN_ID) if run else None

    def epochs(self, key: str) -> set[int]:
        """The epochs whose points a run's curves have."""
        run = self.find(key)
        if run is None:
            return set()
        points = self._client.get_metric_history(run.info.run_id, _EVERY_CURVE)
        return {point.step for point in points}

    def start(self, spec: RunSpec, parent: str | None, provenance_tags: Mapping[str, str]) -> str:
        """Let the run of this spec go on, or make it; its id.

        ``provenance_tags`` say where the run comes from; one that goes on gets new ones.
        """
        tags = {**spec.tags, **provenance_tags, KEY_TAG: spec.key}
        tags |= {MLFLOW_RUN_NOTE: spec.note, OWNER_TAG: f"{socket.gethostname()}:{os.getpid()}"}
        if above := parent or LAUNCHER:
            tags[MLFLOW_PARENT_RUN_ID] = above
        known = self.find(spec.key)
        if known is None:
            made = self._client.create_run(self._experiment, tags=tags, run_name=spec.name)
            run = str(made.info.run_id)
        else:
            run = str(known.info.run_id)
            self._client.update_run(run, RunStatus.to_string(RunStatus.RUNNING))
            self._client.log_batch(run, tags=[RunTag(name, value) for name, value in tags.items()])
            if FAILURE_TAG in known.data.tags:
                self._client.delete_tag(run, FAILURE_TAG)
        # Also of a known one, which may have died before it had them.
        params = [Param(name, value) for name, value in spec.params.items()]
        self._client.log_batch(run, params=params)
        if spec.datasets:
            self._client.log_inputs(run, datasets=spec.datasets)
        return run

    def _search(self, query: str) -> Iterable[Run]:
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment], query, max_results=_PAGE, page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return


def _owner_is(run: Run, *, alive: bool) -> bool:
    """Whether it is known that the process behind a run is alive, or that it is not.

    Of another machine's processes neither is known. A number that this process has is a dead
    one's, which has been given out again.
    """
    host, _, number = run.data.tags.get(OWNER_TAG, "").rpartition(":")
    if host != socket.gethostname():
        return False
    return _exists(int(number)) == alive


def _exists(process: int) -> bool:
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
