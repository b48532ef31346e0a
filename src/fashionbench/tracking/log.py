"""Finds, creates and fills runs, as training goes or afterwards: :meth:`Log.add` is all that logs.

The key of a run is a digest of all that determines its results. So a resumed training, a restored
store and a commit that is checked out again all lead to the same run.
"""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities import LifecycleStage, Metric, Param, Run, RunTag, ViewType
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from fashionbench.paths import in_workspace, study
from fashionbench.pipeline.dependencies import digest, sha256_of
from fashionbench.pipeline.processes import Owner
from fashionbench.tracking.run_spec import NETWORK_TAG, RESTORED_TAG, RunSpec, describe_study
from fashionbench.tracking.store import belongs_to_user, store_calls

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
_LONGEST_REASON = 5000  # Characters of a tag in MLflow's tables.

Rows = Sequence[Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class Results:
    """What a run is to show: all of it, or so much of it as is known.

    ``curve`` has a row per epoch, with the number ``epoch`` and metrics by name. ``scores`` are
    metrics after training; MLflow groups names such as final/test_accuracy by their first part.
    ``files`` are logged into the named folders of the run's artifacts, "" being the top.
    """

    curve: Rows = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[Path, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> str:
        """Return a digest of these results. Raises OSError for a missing file."""
        files = {str(file): sha256_of(file) for file in self.files}
        return digest([dict(row) for row in self.curve], dict(self.scores), files, dict(self.tags))


class Log:
    """A run that is being logged to: it gets what it lacks, and nothing twice."""

    def __init__(self, client: MlflowClient, run: Run, *, is_new: bool) -> None:
        self._client, self.run = client, str(run.info.run_id)
        self._scores = {} if is_new else run.data.metrics
        history = [] if is_new else client.get_metric_history(self.run, _ANY_CURVE)
        self._epochs = {point.step for point in history}

    def add(self, results: Results, *, is_whole: bool = False) -> None:
        """Log results: epochs and scores that the run lacks, and all files and tags.

        The run is marked as complete if they are the whole. Raises StoreError.
        """
        now = time.time_ns() // 1_000_000
        metrics = [
            Metric(name, value, now, int(row["epoch"]))
            for row in results.curve
            if row["epoch"] not in self._epochs
            for name, value in row.items()
            if name != "epoch"
        ]
        # A single seed has no interval, and SQL stores cannot hold nan.
        metrics += [
            Metric(name, value, now, 0)
            for name, value in results.scores.items()
            if isfinite(value) and self._scores.get(name) != value
        ]
        if metrics:
            self._client.log_batch(self.run, metrics)
        self._epochs |= {int(row["epoch"]) for row in results.curve}
        for file, folder in results.files.items():
            self._client.log_artifact(self.run, str(file), folder or None)
        tags = dict(results.tags) | ({CONTENT_TAG: results.content()} if is_whole else {})
        if tags:
            self._client.log_batch(self.run, tags=_as_tags(tags))

    def add_epoch(self, values: Mapping[str, float]) -> None:
        """Log the metrics of one epoch, whose number is among them. Raises StoreError."""
        self.add(Results(curve=[values]))

    def end(self, status: str = "FINISHED", reason: str = "") -> None:
        """End the run with one of MLflow's statuses, and the reason of a failure."""
        if reason:
            self._client.set_tag(self.run, FAILURE_TAG, reason[:_LONGEST_REASON])
        self._client.set_terminated(self.run, status)


class Runs:
    """The runs of the experiment, or of one network in it, by their keys.

    Constructing this marks the runs of dead processes as killed, and deletes those that stand
    twice: MLflow restores an experiment with all that was ever deleted in it.
    """

    def __init__(
        self, client: MlflowClient, experiment: str, *, network: str = "", key: str = ""
    ) -> None:
        self._client, self._experiment = client, experiment
        self._deleted: dict[str, Run] = {}
        found: dict[str, list[Run]] = {}
        wanted = {NETWORK_TAG: network, KEY_TAG: key}
        query = " AND ".join(f"tags.`{tag}` = '{value}'" for tag, value in wanted.items() if value)
        with store_calls():
            runs = mlflow.search_runs(
                [experiment], query, run_view_type=ViewType.ALL, output_format="list"
            )
        for run in runs:  # Newest first.
            key = run.data.tags.get(KEY_TAG, run.info.run_id)
            if run.info.lifecycle_stage == LifecycleStage.DELETED:
                self._deleted.setdefault(key, run)
            else:
                found.setdefault(key, []).append(self._killed_if_dead(run))
        self._by_key = {key: self._only(runs) for key, runs in found.items()}

    def find(self, key: str) -> Run | None:
        """Return the run with a key as it was on construction, or None."""
        return self._by_key.get(key)

    def params_of_networks(self) -> list[Mapping[str, str]]:
        """Return the parameters of all runs of networks, which have replicates below them."""
        return [run.data.params for run in self._by_key.values() if "seeds" in run.data.params]

    def is_whole(self, key: str) -> bool:
        """Tell whether a run has all results, so that training the same again adds nothing."""
        run = self.find(key)
        return run is not None and _is_whole(run)

    def is_busy(self, key: str) -> bool:
        """Tell whether another process of this machine is logging to a run."""
        run = self.find(key)
        owner = _owner(run) if run else None
        return owner is not None and owner.is_known_alive()

    def shows(self, key: str, results: Results, parent: str | None = None) -> bool:
        """Tell whether a run has exactly these results, their files, and the parent with that id.

        Experiments in a copy never move replicates away from the network of the workspace.
        """
        run = self.find(key)
        if run is None or not _is_whole(run) or run.data.tags[CONTENT_TAG] != results.content():
            return False
        above = run.data.tags.get(MLFLOW_PARENT_RUN_ID)
        return (parent in (None, above) or not in_workspace()) and all(
            (Path(folder) / file.name).as_posix() in sizes_in(run.info.artifact_uri, folder or None)
            for file, folder in results.files.items()
        )

    def bring(
        self, spec: RunSpec, results: Results, parent: str | None, provenance: Mapping[str, str]
    ) -> None:
        """Bring a run up to date with DVC's results: create it, or add what it lacks.

        Raises StoreError, and OSError for a missing file.
        """
        if not self.shows(spec.key, results, parent):
            log = self.start(spec, parent, provenance)
            log.add(results, is_whole=True)
            log.end()

    def start(self, spec: RunSpec, parent: str | None, provenance: Mapping[str, str]) -> Log:
        """Resume the run of this spec, or create it.

        ``parent`` is the id of the parent run. ``provenance`` are tags that replace those of a
        resumed run, unless a training has created that and this only restores it. It keeps its
        name, and its note if its user has changed that.
        """
        known = self.find(spec.key) or self._restored(spec.key)
        if known and RESTORED_TAG in provenance and RESTORED_TAG not in known.data.tags:
            provenance = {}
        tags = {**spec.tags, **provenance, KEY_TAG: spec.key, OWNER_TAG: str(Owner.current())}
        if parent_or_launcher := parent or LAUNCHER:
            tags[MLFLOW_PARENT_RUN_ID] = parent_or_launcher
        if known is None or not belongs_to_user(
            known.data.tags.get(MLFLOW_RUN_NOTE), known.data.tags.get(NOTE_TAG)
        ):
            tags |= {MLFLOW_RUN_NOTE: spec.note, NOTE_TAG: digest(spec.note)}
        if known is None:
            run = self._client.create_run(self._experiment, tags=tags, run_name=spec.name)
        else:
            run = known
            self._client.update_run(run.info.run_id, "RUNNING")
            self._client.log_batch(run.info.run_id, tags=_as_tags(tags))
            outdated = {FAILURE_TAG, *([RESTORED_TAG] if provenance else [])} - tags.keys()
            for tag in outdated & run.data.tags.keys():
                self._client.delete_tag(run.info.run_id, tag)
        # Also for a known run, whose process may have died before it logged them.
        params = [Param(name, value) for name, value in spec.params.items()]
        self._client.log_batch(run.info.run_id, params=params)
        if spec.datasets:
            self._client.log_inputs(run.info.run_id, datasets=spec.datasets)
        return Log(self._client, run, is_new=known is None)

    def _killed_if_dead(self, run: Run) -> Run:
        if (owner := _owner(run)) and owner.is_known_dead():
            self._client.set_terminated(run.info.run_id, "KILLED")
            return self._client.get_run(run.info.run_id)
        return run

    def _only(self, runs: Sequence[Run]) -> Run:
        """Return the newest of runs with one key, but a whole one first; delete the others."""
        kept = max(runs, key=_is_whole)
        for run in runs:
            # To one that runs, another machine may log.
            if run is not kept and run.info.status != "RUNNING":
                self._client.delete_run(run.info.run_id)
        return kept

    def _restored(self, key: str) -> Run | None:
        """Restore the run with a key if somebody has deleted it: a new one would be its double."""
        run = self._deleted.get(key)
        if run:
            self._client.restore_run(run.info.run_id)
        return run


def study_run(client: MlflowClient, experiment: str) -> str | None:
    """Return the id of the run of the study in the current folder, created if need be.

    None at the top of the project. Raises ConfigError for a study.yaml that is wrong.
    """
    if study() is None:
        return None
    spec = describe_study()
    runs = Runs(client, experiment, key=spec.key)
    if run := runs.find(spec.key):
        return str(run.info.run_id)
    log = runs.start(spec, None, {})
    # Finished at once: its children tell whether anything is under way.
    log.end()
    return log.run


def sizes_in(address: str, folder: str | None = None) -> dict[str, int]:
    """Return the bytes of each file in a folder of a run or a model, by the address of its files.

    Raises StoreError.
    """
    # A client would also look for a run's models, which servers before 3.0 do not know.
    with store_calls():
        files = get_artifact_repository(address).list_artifacts(folder)
    return {file.path: file.file_size or 0 for file in files if not file.is_dir}


def _as_tags(tags: Mapping[str, str]) -> list[RunTag]:
    return [RunTag(name, value) for name, value in tags.items()]


def _is_whole(run: Run) -> bool:
    return run.info.status == "FINISHED" and CONTENT_TAG in run.data.tags


def _owner(run: Run) -> Owner | None:
    """Return the process that logs to a run; None if that is not known, or it has ended."""
    is_running = run.info.status == "RUNNING"
    return Owner.parse(run.data.tags.get(OWNER_TAG, "")) if is_running else None
