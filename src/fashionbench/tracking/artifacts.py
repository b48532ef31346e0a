"""Files of runs and models: whether MLflow still has them."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from fashionbench.errors import StoreError
from fashionbench.tracking.calls import store_calls

_MODEL_FILE = "MLmodel"


def local_folder(address: str) -> Path | None:
    """Return the folder of an address on this machine; None for one of a server."""
    if ":/" not in address:
        return Path(address)
    parts = urlsplit(address)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def has_artifact(run: Run, path: str) -> bool:
    """Tell whether a run has a file, given by its path below the run's artifacts.

    Raises StoreError.
    """
    folder = local_folder(run.info.artifact_uri)
    if folder is not None:
        return (folder / path).is_file()
    above = path.rpartition("/")[0] or None
    # A client would also look for the run's models, which servers before 3.0 do not know.
    with store_calls():
        files = get_artifact_repository(run.info.artifact_uri).list_artifacts(above)
    return any(file.path == path for file in files)


def has_model(client: MlflowClient, model: str | None) -> bool:
    """Tell whether a model, given by its id, is there with its files."""
    if not model:
        return False
    try:
        folder = local_folder(client.get_logged_model(model).artifact_location)
        if folder is not None:
            return (folder / _MODEL_FILE).is_file()
        files = client.list_logged_model_artifacts(model)
    except StoreError as error:
        if error.code in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"):
            return False
        raise
    return any(file.path == _MODEL_FILE for file in files)
