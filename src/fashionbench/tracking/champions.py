"""Loads a champion for predictions, and writes nothing: neither to the store nor beside it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from warnings import catch_warnings, simplefilter

import mlflow.pyfunc
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.pyfunc import PyFuncModel

from fashionbench.errors import DataError, StoreError
from fashionbench.tracking.address import artifacts_folder, store_address
from fashionbench.tracking.artifacts import local_folder
from fashionbench.tracking.calls import store_calls
from fashionbench.tracking.registry import (
    BEST_MODEL,
    CHAMPION,
    MODEL_SEED_TAG,
    MODEL_TAG,
    model_name,
)
from fashionbench.tracking.run_spec import NETWORK_TAG
from fashionbench.tracking.store import store_to_read, without_password


def load_champion(network: str | None) -> tuple[PyFuncModel, str]:
    """Load the champion of a network, or of all networks; return it with a description.

    Raises DataError if MLflow is unreachable or has none.
    """
    name = model_name(network) if network else BEST_MODEL
    try:
        client = store_to_read()
        found = client.get_model_version_by_alias(name, CHAMPION)
        folder = _model_folder(client, found)
        # Hides MLflow's messages on downloads.
        with catch_warnings(), _no_bytecode(), store_calls():
            simplefilter("ignore", UserWarning)
            # Skips MLflow's comparison of package versions, which takes seconds.
            address = str(folder) if folder else f"models:/{name}@{CHAMPION}"
            model = mlflow.pyfunc.load_model(address, suppress_warnings=True)
    except StoreError as error:
        raise DataError(
            f"MLflow has no model {name}@{CHAMPION} ({without_password(error)}); run dvc repro"
        ) from error
    which = f"{found.tags[NETWORK_TAG]} seed {found.tags[MODEL_SEED_TAG]}"
    return model, f"{which}, version {found.version} of {name}"


def _model_folder(client: MlflowClient, found: ModelVersion) -> Path | None:
    """Return the folder of a model on this machine, also of a project that was moved.

    None if a server has it, or if it is not where it should be.
    """
    model = found.tags.get(MODEL_TAG)
    recorded = local_folder(client.get_logged_model(model).artifact_location) if model else None
    _, database = store_address()
    if recorded is None or recorded.exists() or database is None:
        return recorded
    here = artifacts_folder(database)
    parts = recorded.parts
    if here.name not in parts:
        return None
    below = parts[len(parts) - parts[::-1].index(here.name) :]
    moved = here.joinpath(*below)
    return moved if moved.exists() else None


@contextmanager
def _no_bytecode() -> Iterator[None]:
    """Keep Python from writing compiled code beside the code of a model."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before
