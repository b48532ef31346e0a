"""What MLflow is told of a network's replicates; the only importer of mlflow.

Two kinds of run, in the one experiment: a parent for a network, and under it a child for each
replicate. The store is MLFLOW_TRACKING_URI if that is set, else ``mlflow.db`` at the top of the
repository, which DVC names in DVC_ROOT also for experiments that it runs in a temporary copy.
"""

import hashlib
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path

import mlflow.pytorch
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunStatus
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_PARENT_RUN_ID
from safetensors.torch import load_file

from fashionbench import provenance
from fashionbench.networks import Classifier, restore
from fashionbench.params import Hyperparameters, Network
from fashionbench.statistics import estimate
from fashionbench.training import Epoch

EXPERIMENT = "fashionbench"
NETWORK_TAG = "fashionbench.network"
SEED_TAG = "fashionbench.seed"
MODEL_SEED_TAG = "fashionbench.model_seed"
WEIGHTS_TAG = "fashionbench.weights_sha256"
LAUNCHER_TAG = "mlflow_run.id"
"""Of a run made below ``mlflow run``: the id of the run that started the pipeline."""

_SQLITE = "sqlite:///"
_CURVES = [field.name for field in fields(Epoch) if field.name not in ("seed", "epoch")]


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class NetworkRuns:
    """The runs of one training of one network: a parent, and a child for each seed."""

    def __init__(
        self, client: MlflowClient, network: Network, parent: str, replicates: dict[int, str]
    ) -> None:
        self._client = client
        self._network = network
        self._parent = parent
        self._replicates = replicates

    def log_epoch(self, row: Epoch) -> None:
        """Add one point to each curve of a replicate."""
        now = _now_ms()
        metrics = [Metric(name, getattr(row, name), now, row.epoch) for name in _CURVES]
        self._client.log_batch(self._replicates[row.seed], metrics=metrics)

    def log_weights(self, seed: int, path: Path) -> None:
        """Keep a replicate's weights, and their sha256, by which evaluation finds the run."""
        run = self._replicates[seed]
        self._client.log_artifact(run, str(path), artifact_path="weights")
        self._client.set_tag(run, WEIGHTS_TAG, sha256_of(path))

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

    def end(self, status: str) -> None:
        """Close the runs with one of mlflow.entities.RunStatus's names."""
        for run in (*self._replicates.values(), self._parent):
            self._client.set_terminated(run, status)


@contextmanager
def track_network(
    network: Network, how: Hyperparameters, seeds: Sequence[int]
) -> Iterator[NetworkRuns]:
    """Open the runs of a training, and close them as what they turned out to be."""
    # `mlflow run` exports its own run, which each run made here would resume instead of being new.
    launcher = os.environ.pop("MLFLOW_RUN_ID", None)
    client, experiment = _open_store()
    tags = provenance.describe() | {NETWORK_TAG: network.name}
    tags[MLFLOW_GIT_COMMIT] = tags.get("git.commit", "")
    if launcher:
        tags[LAUNCHER_TAG] = launcher
    used = {**asdict(network), **asdict(how)}
    params = [Param(key, str(value)) for key, value in used.items() if key != "name"]
    parent = client.create_run(experiment, tags=tags, run_name=network.name).info.run_id
    client.log_batch(parent, params=[*params, Param("seeds", str(list(seeds)))])
    replicates = {}
    for seed in seeds:
        child_tags = tags | {MLFLOW_PARENT_RUN_ID: parent, SEED_TAG: str(seed)}
        name = f"{network.name} seed {seed}"
        replicates[seed] = client.create_run(experiment, tags=child_tags, run_name=name).info.run_id
        client.log_batch(replicates[seed], params=[*params, Param("seed", str(seed))])
    runs = NetworkRuns(client, network, parent, replicates)
    try:
        yield runs
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        runs.end(RunStatus.to_string(RunStatus.KILLED if interrupted else RunStatus.FAILED))
        raise
    runs.end(RunStatus.to_string(RunStatus.FINISHED))


def log_scores(weights: Mapping[int, Path], scores: Mapping[int, Mapping[str, float]]) -> list[int]:
    """Add final scores to the runs that trained ``weights``, and their intervals to the parent.

    Both arguments are by seed. Returns the seeds of which MLflow holds no run, as happens when DVC
    restored the weights from its cache into a repository with an empty store.
    """
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
    database = Path(os.environ.get("DVC_ROOT", ".")).resolve() / uri.removeprefix(_SQLITE)
    return f"{_SQLITE}{database}", (database.parent / "mlartifacts").as_uri()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
