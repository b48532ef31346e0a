"""What DVC holds of a network, as MLflow shows it: weights, model and scores of its replicates."""

import logging
from collections.abc import Mapping, Sequence
from importlib.metadata import version

import mlflow.pytorch
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from safetensors.torch import load_file

from fashionbench.dependencies import Dependencies, sha256_of
from fashionbench.networks import restore
from fashionbench.params import Network, Params
from fashionbench.results import weights_file
from fashionbench.serving import Classifier
from fashionbench.statistics import estimate
from fashionbench.tracking.store import (
    FAILURES,
    KEY_TAG,
    MODEL_SEED_TAG,
    WEIGHTS_TAG,
    now_ms,
    open_store,
    replicate_key,
    warn,
)
from fashionbench.training import Replicate

Scores = Mapping[int, Mapping[str, float]]
"""By seed, the scores of a replicate by their names."""

_MODEL_SCORE = "final_val_accuracy"

_log = logging.getLogger(__name__)


def log_results(params: Params, name: str, scores: Scores) -> None:
    """Add weights, model and final scores to the runs that trained the replicates of a network.

    Warns of the seeds of which MLflow holds no run, as happens when DVC restored the weights from
    its cache. Raises ConfigError if ``params`` do not declare the network.
    """
    network, how = params.network(name), params.hyperparameters
    replicates = [Replicate(network=network, how=how, seed=seed) for seed in params.seeds]
    try:
        missing = _log_results(replicates, scores)
    except FAILURES as error:
        warn(error)
        return
    if missing:
        _log.warning(
            f"MLflow has no run of {name} seeds {missing}: scores were written to metrics/ only"
        )


def _log_results(replicates: Sequence[Replicate], scores: Scores) -> list[int]:
    client, experiment = open_store()
    dependencies = Dependencies.of("train", replicates[0].network.name)
    missing, parents = [], set()
    for replicate in replicates:
        key = replicate_key(replicate, dependencies)
        # The last one, where the same was trained more than once.
        found = client.search_runs([experiment], f"tags.`{KEY_TAG}` = '{key}'", max_results=1)
        if not found:
            missing.append(replicate.seed)
            continue
        run, weights = found[0], weights_file(replicate.network.name, replicate.seed)
        client.log_artifact(run.info.run_id, str(weights), artifact_path="weights")
        client.set_tag(run.info.run_id, WEIGHTS_TAG, sha256_of(weights))
        client.log_batch(run.info.run_id, metrics=_final_metrics(scores[replicate.seed]))
        parents.add(run.data.tags[MLFLOW_PARENT_RUN_ID])
    best = max(scores, key=lambda seed: (scores[seed][_MODEL_SCORE], -seed))
    for parent in parents:
        client.log_batch(parent, metrics=_final_metrics(_summarise(scores)))
        _log_model(client, parent, replicates[0].network, best)
    return missing


def _summarise(scores: Scores) -> dict[str, float]:
    """Mean and ends of the 95% interval over seeds of each score, and how many seeds there are."""
    summary = {}
    for name in next(iter(scores.values())):
        found = estimate([of_seed[name] for of_seed in scores.values()])
        for part in ("mean", "low", "high", "n"):
            summary[f"{name}_{part}"] = float(getattr(found, part))
    return summary


def _log_model(client: MlflowClient, parent: str, network: Network, seed: int) -> None:
    """Keep, as the network's model, one of its replicates: what ``mlflow models serve`` serves.

    It takes float32 images of shape (n, 28, 28) with pixels 0 to 255 and answers with float32
    probabilities of shape (n, classes).
    """
    module = restore(network, load_file(weights_file(network.name, seed)), "cpu")
    for parameter in module.parameters():
        # The layouts that are fast in training are not those that torch.export can write.
        parameter.data = parameter.contiguous()
    classifier = Classifier(module).eval()
    float32 = np.dtype("float32")
    signature = ModelSignature(
        inputs=Schema([TensorSpec(float32, (-1, 28, 28))]),
        outputs=Schema([TensorSpec(float32, (-1, network.num_classes))]),
    )
    client.set_tag(parent, MODEL_SEED_TAG, str(seed))
    with mlflow.start_run(run_id=parent):
        mlflow.pytorch.log_model(
            classifier,
            name=network.name,
            signature=signature,
            # More than one image: an export from a single one would take only single ones.
            input_example=np.zeros((2, 28, 28), float32),
            # Named here, since finding them out by running the model takes half a minute.
            pip_requirements=[f"{name}=={version(name)}" for name in ("torch", "numpy")],
        )


def _final_metrics(values: Mapping[str, float]) -> list[Metric]:
    # A single seed has no interval; SQL stores have no room for nan.
    now = now_ms()
    return [Metric(name, value, now, 0) for name, value in values.items() if np.isfinite(value)]
