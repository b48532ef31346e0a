"""What MLflow is told of a network's replicates; the only importer of mlflow.

Two kinds of run, in the one experiment: a parent for a network, and under it a child for each
replicate. The store is MLFLOW_TRACKING_URI if that is set, else ``mlflow.db`` at the top of the
repository, which DVC names in DVC_ROOT also for experiments that it runs in a temporary copy.
"""

import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from typing import Concatenate, ParamSpec

import mlflow.pytorch
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunStatus
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_PARENT_RUN_ID
from safetensors.torch import load_file
from sqlalchemy.exc import SQLAlchemyError

from fashionbench import provenance
from fashionbench.dependencies import sha256_of
from fashionbench.networks import Classifier, restore
from fashionbench.params import Hyperparameters, Network
from fashionbench.results import repository_folder
from fashionbench.statistics import estimate
from fashionbench.training import Epoch

EXPERIMENT = "fashionbench"
NETWORK_TAG = "fashionbench.network"
SEED_TAG = "fashionbench.seed"
DIVERGED_TAG = "fashionbench.diverged"
"""Of a replicate whose loss was no longer a finite number: when that was."""
MODEL_SEED_TAG = "fashionbench.model_seed"
WEIGHTS_TAG = "fashionbench.weights_sha256"
LAUNCHER_TAG = "mlflow_run.id"
"""Of a run made below ``mlflow run``: the id of the run that started the pipeline."""

P = ParamSpec("P")

_log = logging.getLogger(__name__)

_SQLITE = "sqlite:///"
_CURVES = [field.name for field in fields(Epoch) if field.name not in ("seed", "epoch")]


_FAILURES = (MlflowException, SQLAlchemyError, OSError)
"""What comes of a store that is away, full or read-only."""


def _best_effort(method: Callable[Concatenate["NetworkRuns", P], None]) -> Callable[..., None]:
    """A method that must not stop a training: the first failure is said, the rest is left out."""

    @wraps(method)
    def told(runs: "NetworkRuns", /, *args: P.args, **kwargs: P.kwargs) -> None:
        if not runs.is_reachable:
            return
        try:
            method(runs, *args, **kwargs)
        except _FAILURES as error:
            runs.is_reachable = False
            _warn(error)

    return told


def _warn(error: Exception) -> None:
    # An address may carry a user's name and password.
    reason = re.sub(r"//[^/\s]*@", "//***@", " ".join(str(error).split()))[:200]
    _log.warning(f"MLflow cannot be told of this stage, which goes on without it ({reason})")


class NetworkRuns:
    """The runs of one training of one network: a parent, and a child for each seed."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._replicates: dict[int, str] = {}
        self.is_reachable = True

    @_best_effort
    def start(self, how: Hyperparameters, seeds: Sequence[int], launcher: str | None) -> None:
        """Open the runs; ``launcher`` is the id of the run of ``mlflow run`` above them."""
        self._client, experiment = _open_store()
        tags = provenance.describe() | {NETWORK_TAG: self._network.name}
        tags[MLFLOW_GIT_COMMIT] = tags.get("git.commit", "")
        if launcher:
            tags[LAUNCHER_TAG] = launcher
        used = {**asdict(self._network), **asdict(how)}
        params = {key: str(value) for key, value in used.items() if key != "name"}

        def create(name: str, more_tags: dict[str, str], more_params: dict[str, str]) -> str:
            run = self._client.create_run(experiment, tags=tags | more_tags, run_name=name)
            logged = [Param(key, value) for key, value in (params | more_params).items()]
            self._client.log_batch(run.info.run_id, params=logged)
            return str(run.info.run_id)

        self._parent = create(self._network.name, {}, {"seeds": str(list(seeds))})
        for seed in seeds:
            below = {MLFLOW_PARENT_RUN_ID: self._parent, SEED_TAG: str(seed)}
            name = f"{self._network.name} seed {seed}"
            self._replicates[seed] = create(name, below, {"seed": str(seed)})

    @_best_effort
    def log_epoch(self, row: Epoch) -> None:
        """Add one point to each curve of a replicate."""
        now = _now_ms()
        metrics = [Metric(name, getattr(row, name), now, row.epoch) for name in _CURVES]
        self._client.log_batch(self._replicates[row.seed], metrics=metrics)

    @_best_effort
    def log_divergence(self, seed: int, reason: str) -> None:
        """End the run of a replicate as failed, and say why."""
        self._client.set_tag(self._replicates[seed], DIVERGED_TAG, reason)
        self._end(seed, RunStatus.FAILED)

    @_best_effort
    def log_weights(self, seed: int, path: Path) -> None:
        """Keep a replicate's weights, and their sha256, by which evaluation finds the run."""
        run = self._replicates[seed]
        self._client.log_artifact(run, str(path), artifact_path="weights")
        self._client.set_tag(run, WEIGHTS_TAG, sha256_of(path))
        self._end(seed, RunStatus.FINISHED)

    @_best_effort
    def log_model(self, seed: int, weights: Path) -> None:
        """Keep, as the network's model, one of its replicates: what ``mlflow models serve`` serves.

        It takes float32 images of shape (n, 28, 28) with pixels 0 to 255 and answers with float32
        probabilities of shape (n, classes).
        """
        module = restore(self._network, load_file(weights), "cpu")
        for parameter in module.parameters():
            # The layouts that are fast in training are not those that torch.export can write.
            parameter.data = parameter.contiguous()
        classifier = Classifier(module).eval()
        float32 = np.dtype("float32")
        signature = ModelSignature(
            inputs=Schema([TensorSpec(float32, (-1, 28, 28))]),
            outputs=Schema([TensorSpec(float32, (-1, self._network.num_classes))]),
        )
        self._client.set_tag(self._parent, MODEL_SEED_TAG, str(seed))
        with mlflow.start_run(run_id=self._parent):
            mlflow.pytorch.log_model(
                classifier,
                name=self._network.name,
                signature=signature,
                # More than one image: an export from a single one would take only single ones.
                input_example=np.zeros((2, 28, 28), float32),
                # Named here, since finding them out by running the model takes half a minute.
                pip_requirements=[f"{name}=={version(name)}" for name in ("torch", "numpy")],
            )

    @_best_effort
    def end(self, status: int) -> None:
        """Close what is still open with one of mlflow.entities.RunStatus."""
        for seed in list(self._replicates):
            self._end(seed, status)
        self._client.set_terminated(self._parent, RunStatus.to_string(status))

    def _end(self, seed: int, status: int) -> None:
        self._client.set_terminated(self._replicates.pop(seed), RunStatus.to_string(status))


@contextmanager
def track_network(
    network: Network, how: Hyperparameters, seeds: Sequence[int]
) -> Iterator[NetworkRuns]:
    """Open the runs of a training, and close them as what they turned out to be."""
    # `mlflow run` exports its own run, which each run made here would resume instead of being new.
    launcher = os.environ.pop("MLFLOW_RUN_ID", None)
    runs = NetworkRuns(network)
    runs.start(how, seeds, launcher)
    try:
        yield runs
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        runs.end(RunStatus.KILLED if interrupted else RunStatus.FAILED)
        raise
    runs.end(RunStatus.FINISHED)


def log_scores(weights: Mapping[int, Path], scores: Mapping[int, Mapping[str, float]]) -> list[int]:
    """Add final scores to the runs that trained ``weights``, and their intervals to the parent.

    Both arguments are by seed. Returns the seeds of which MLflow holds no run, as happens when DVC
    restored the weights from its cache into a repository with an empty store.
    """
    try:
        return _log_scores(weights, scores)
    except _FAILURES as error:
        _warn(error)
        return []


def _log_scores(
    weights: Mapping[int, Path], scores: Mapping[int, Mapping[str, float]]
) -> list[int]:
    client, experiment = _open_store()
    missing, parents = [], set()
    for seed, path in weights.items():
        digest = sha256_of(path)
        found = client.search_runs(
            [experiment], f"tags.`{WEIGHTS_TAG}` = '{digest}'", max_results=1
        )
        if not found:
            missing.append(seed)
            continue
        client.log_batch(found[0].info.run_id, metrics=_final_metrics(scores[seed]))
        parents.add(found[0].data.tags[MLFLOW_PARENT_RUN_ID])
    names = next(iter(scores.values()))
    over_seeds = {name: estimate([of_seed[name] for of_seed in scores.values()]) for name in names}
    summary = {}
    for name, found_estimate in over_seeds.items():
        for bound in ("mean", "low", "high", "n"):
            summary[f"{name}_{bound}"] = float(getattr(found_estimate, bound))
    for parent in parents:
        client.log_batch(parent, metrics=_final_metrics(summary))
    return missing


def _final_metrics(values: Mapping[str, float]) -> list[Metric]:
    # A single seed has no interval; SQL stores have no room for nan.
    now = _now_ms()
    return [Metric(name, value, now, 0) for name, value in values.items() if np.isfinite(value)]


def _open_store() -> tuple[MlflowClient, str]:
    """A client, and the id of the experiment, which is created if this is the first run."""
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
    uri, artifacts = _store()
    mlflow.set_tracking_uri(uri)
    client = MlflowClient()
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment:
        return client, str(experiment.experiment_id)
    try:
        return client, client.create_experiment(EXPERIMENT, artifact_location=artifacts)
    except MlflowException:
        # Another stage created it at the same moment.
        experiment = client.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            raise
        return client, str(experiment.experiment_id)


def _store() -> tuple[str, str | None]:
    """Where runs go, and where a new experiment keeps its artifacts (None: its server decides).

    A relative SQLite file, MLflow's own default among them, is one below the repository's top and
    not below the folder that a stage happens to run in.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    if not uri.startswith(_SQLITE):
        return uri, None
    database = repository_folder() / uri.removeprefix(_SQLITE)
    return f"{_SQLITE}{database}", (database.parent / "mlartifacts").as_uri()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
