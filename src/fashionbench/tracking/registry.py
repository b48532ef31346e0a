"""Logs networks as MLflow models, and keeps the model registry and its champions up to date."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from warnings import catch_warnings, simplefilter

import mlflow.pyfunc
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus
from mlflow.entities.model_registry import ModelVersion
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

from fashionbench.errors import StoreError
from fashionbench.paths import in_workspace, weights_file
from fashionbench.tracking.artifacts import has_model
from fashionbench.tracking.calls import store_calls
from fashionbench.tracking.run_spec import NETWORK_TAG
from fashionbench.tracking.runs import KEY_TAG, Runs
from fashionbench.tracking.stored_results import StoredResults

BEST_MODEL = "fashionbench"
"""The registered model whose champion is the best of all networks."""
CHAMPION = "champion"
MODEL_SEED_TAG = "fashionbench.model_seed"
MODEL_TAG = "fashionbench.model"
"""Tags a network's run with the id of its model."""

_PACKAGE = Path(__file__).parents[1]
_MODEL_CODE = _PACKAGE / "serving" / "mlflow_model.py"
_REQUIREMENTS = ("mlflow", "numpy", "pydantic", "ruamel.yaml", "safetensors", "torch")
"""The packages that the served code imports; a test loads a model with them alone."""
_NO_CODE = shutil.ignore_patterns("__pycache__", ".*", "*~", "*.jinja")


def model_name(network: str) -> str:
    """Return the name of a network's registered model."""
    return f"{BEST_MODEL}-{network}"


def log_model(client: MlflowClient, experiment: str, run: str, results: StoredResults) -> str:
    """Log the best replicate of a network as the model of its run; return the model's id.

    A model that exists already is kept if its files are there. The model maps raw pixels
    (n, 28, 28) to float32 probabilities (n, classes), and holds this package's code, so that it
    works without it and whatever becomes of it.
    """
    name, seed = results.network.name, results.best_seed
    key = results.replicates[seed].key
    for model in client.search_logged_models([experiment], f"source_run_id = '{run}'"):
        is_ready = model.status == LoggedModelStatus.READY and model.tags.get(KEY_TAG) == key
        if is_ready and has_model(client, model.model_id):
            return str(model.model_id)
    config = {"network": asdict(results.network), "precision": results.precision}
    # A signature allows a single dtype, but images may be integers or floats: so it has no inputs,
    # and the model validates them itself.
    probabilities = TensorSpec(np.dtype("float32"), (-1, results.network.num_classes))
    with TemporaryDirectory() as folder, catch_warnings():
        # MLflow warns that there is no input example to infer a schema from.
        simplefilter("ignore", UserWarning)
        network_file = Path(folder) / "network.json"
        network_file.write_text(json.dumps(config), encoding="utf-8")
        code = shutil.copytree(_PACKAGE, Path(folder) / _PACKAGE.name, ignore=_NO_CODE)
        with store_calls(), mlflow.start_run(run_id=run):
            logged = mlflow.pyfunc.log_model(
                name=name,
                python_model=_MODEL_CODE,
                code_paths=[str(code)],
                artifacts={"weights": str(weights_file(name, seed)), "network": str(network_file)},
                signature=ModelSignature(outputs=Schema([probabilities])),
                # Given here: MLflow would infer them by running the model for half a minute.
                pip_requirements=_requirements(),
                tags={KEY_TAG: key, MODEL_SEED_TAG: str(seed), NETWORK_TAG: name},
            )
    return str(logged.model_id)


def _requirements() -> list[str]:
    """Return the pinned requirements of a model, without the local part of a version (+cpu)."""
    return [f"{name}=={version(name).partition('+')[0]}" for name in _REQUIREMENTS]


def keeps_models(client: MlflowClient, experiment: str) -> bool:
    """Tell whether a server keeps models by themselves, as MLflow does from 3.0 on."""
    try:
        client.search_logged_models([experiment], max_results=1)
    except StoreError as error:
        if "error code 404" in str(error) or error.code in ("ENDPOINT_NOT_FOUND", "NOT_FOUND"):
            return False
        raise
    return True


def update_registry(client: MlflowClient, runs: Runs, all_results: Sequence[StoredResults]) -> None:
    """Register each network's model, and in the workspace make the current ones champions.

    Experiments that DVC runs in a copy only add versions: their models become champions when they
    are applied to the workspace.
    """
    registry = _Registry(client, moves_aliases=in_workspace())
    for results in all_results:
        registry.update(model_name(results.network.name), results, runs)
    best = max(all_results, key=lambda results: results.mean_score)
    registry.update(BEST_MODEL, best, runs)


class _Registry:
    def __init__(self, client: MlflowClient, *, moves_aliases: bool) -> None:
        self._client, self._moves_aliases = client, moves_aliases
        name_filter = f"name LIKE '{BEST_MODEL}%'"
        self._champions = {
            model.name: model.aliases.get(CHAMPION)
            for model in client.search_registered_models(name_filter, max_results=1000)
        }
        self._versions = {
            (found.name, found.tags.get(MODEL_TAG)): found
            for found in client.search_model_versions(name_filter, max_results=10_000)
        }

    def update(self, name: str, results: StoredResults, runs: Runs) -> None:
        """Register the model of these results under ``name``, and make it the champion."""
        run = runs.find(results.spec.key)
        if run is None or MODEL_TAG not in run.data.tags:
            return
        found = self._versions.get((name, run.data.tags[MODEL_TAG])) or self._register(
            name, results, run.info.run_id, run.data.tags[MODEL_TAG]
        )
        if self._moves_aliases and self._champions.get(name) != str(found.version):
            self._client.set_registered_model_alias(name, CHAMPION, str(found.version))

    def _register(self, name: str, results: StoredResults, run: str, model: str) -> ModelVersion:
        if name not in self._champions:
            self._create(name)
        seed = results.best_seed
        return self._client.create_model_version(
            name,
            source=f"models:/{model}",
            run_id=run,
            model_id=model,
            tags={MODEL_TAG: model, NETWORK_TAG: results.network.name, MODEL_SEED_TAG: str(seed)},
            description=f"{results.spec.note} The weights are those of seed {seed}, which has the "
            "best validation accuracy.",
        )

    def _create(self, name: str) -> None:
        what = "The best network of all" if name == BEST_MODEL else "The best seed of a network"
        try:
            self._client.create_registered_model(
                name,
                description=f"{what} by validation accuracy: raw pixels (n, 28, 28), 0 to 255, to "
                "the probabilities of the ten classes.",
            )
        except StoreError as error:
            # Created by another machine meanwhile.
            if error.code != "RESOURCE_ALREADY_EXISTS":
                raise
