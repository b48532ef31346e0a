"""Finds existing runs by their keys and resumes them, whichever process created them.

The key of a run is a digest of all that determines its results. So a resumed training, a restored
store and a commit that is checked out again all lead to the same run.
"""

import os
from collections.abc import Iterable, Mapping

from mlflow import MlflowClient
from mlflow.entities import Param, Run, RunStatus, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from fashionbench.pipeline.identity import digest
from fashionbench.pipeline.processes import Owner
from fashionbench.tracking.run_spec import NETWORK_TAG, RunSpec

KEY_TAG = "fashionbench.key"
"""Holds the key of a run."""
CONTENT_TAG = "fashionbench.content"
"""Tags a run that has all of DVC's results, with a digest of them."""
NOTE_TAG = "fashionbench.note_sha256"
"""Tags a run with a digest of its note, by which a note that its user has written is known."""
FAILURE_TAG = "fashionbench.failure"
"""Tags a failed run with the reason."""
OWNER_TAG = "fashionbench.process"
"""Tags a run with the process that logs to it: see :mod:`fashionbench.pipeline.processes`."""
LAUNCHER = os.environ.get("MLFLOW_RUN_ID")
"""The id of the run that ``mlflow run`` created, parent of the runs in this process; or None.

Read on import, since MLflow deletes the variable whenever it ends a run.
"""

_ANY_CURVE = "val_loss"  # The metrics of an epoch are logged together, so all have the same steps.
_PAGE = 1000
_LONGEST_REASON = 5000  # Characters of a tag in MLflow's tables.


def end(client: MlflowClient, run: str, status: int, reason: str = "") -> None:
    """End a run, given by its id, with a status of mlflow.entities.RunStatus."""
    if reason:
        client.set_tag(run, FAILURE_TAG, reason[:_LONGEST_REASON])
    client.set_terminated(run, RunStatus.to_string(status))


class Runs:
    """The runs of the experiment, or of one network in it, by their keys.

    Constructing this marks the runs of dead processes as killed.
    """

    def __init__(self, client: MlflowClient, experiment: str, network: str | None = None) -> None:
        self._client, self._experiment = client, experiment
        self._by_key: dict[str, Run] = {}
        for run in self._search(f"tags.`{NETWORK_TAG}` = '{network}'" if network else ""):
            if run.info.status == "RUNNING" and (owner := _owner(run)) and owner.is_known_dead():
                end(client, run.info.run_id, RunStatus.KILLED)
            # Newest first.
            self._by_key.setdefault(run.data.tags.get(KEY_TAG, run.info.run_id), run)

    def find(self, key: str) -> Run | None:
        """Return the run with a key as it was on construction, or None."""
        return self._by_key.get(key)

    def params_of_networks(self) -> list[Mapping[str, str]]:
        """Return the parameters of all runs of networks, which have replicates below them."""
        return [run.data.params for run in self._by_key.values() if "seeds" in run.data.params]

    def is_complete(self, key: str, content: str) -> bool:
        """Tell whether a run has exactly the results with the digest ``content``."""
        run = self.find(key)
        return bool(
            run and run.info.status == "FINISHED" and run.data.tags.get(CONTENT_TAG) == content
        )

    def is_mirrored(self, key: str) -> bool:
        """Tell whether a run has all results, so that training the same again adds nothing."""
        run = self.find(key)
        return bool(run and run.info.status == "FINISHED" and CONTENT_TAG in run.data.tags)

    def is_busy(self, key: str) -> bool:
        """Tell whether another process of this machine is logging to a run."""
        run = self.find(key)
        if run is None or run.info.status != "RUNNING":
            return False
        owner = _owner(run)
        return owner is not None and owner.is_known_alive()

    def parent(self, key: str) -> str | None:
        """Return the id of a run's parent, or None."""
        run = self.find(key)
        return run.data.tags.get(MLFLOW_PARENT_RUN_ID) if run else None

    def epochs(self, key: str) -> set[int]:
        """Return the epochs that a run's curves have."""
        run = self.find(key)
        if run is None:
            return set()
        points = self._client.get_metric_history(run.info.run_id, _ANY_CURVE)
        return {point.step for point in points}

    def start(self, spec: RunSpec, parent: str | None, provenance_tags: Mapping[str, str]) -> str:
        """Resume the run of this spec, or create it; return its id.

        ``parent`` is the id of the parent run. ``provenance_tags`` replace those of a resumed run,
        which keeps its name, and its note if its user has changed that.
        """
        tags = {**spec.tags, **provenance_tags, KEY_TAG: spec.key, OWNER_TAG: str(Owner.current())}
        if parent_or_launcher := parent or LAUNCHER:
            tags[MLFLOW_PARENT_RUN_ID] = parent_or_launcher
        known = self.find(spec.key)
        if known is None:
            tags |= _note_tags(spec.note)
            created = self._client.create_run(self._experiment, tags=tags, run_name=spec.name)
            run = str(created.info.run_id)
        else:
            run = str(known.info.run_id)
            if not _has_note_of_user(known):
                tags |= _note_tags(spec.note)
            self._client.update_run(run, RunStatus.to_string(RunStatus.RUNNING))
            self._client.log_batch(run, tags=[RunTag(name, value) for name, value in tags.items()])
            if FAILURE_TAG in known.data.tags:
                self._client.delete_tag(run, FAILURE_TAG)
        # Also for a known run, whose process may have died before it logged them.
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


def _note_tags(note: str) -> dict[str, str]:
    return {MLFLOW_RUN_NOTE: note, NOTE_TAG: digest(note)}


def _has_note_of_user(run: Run) -> bool:
    note, ours = (run.data.tags.get(tag) for tag in (MLFLOW_RUN_NOTE, NOTE_TAG))
    return note is not None and ours is not None and digest(note) != ours


def _owner(run: Run) -> Owner | None:
    """Return the process that a run is tagged with; None if that is not known."""
    return Owner.parse(run.data.tags.get(OWNER_TAG, ""))
