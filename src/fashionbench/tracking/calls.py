"""Calls to MLflow: whatever goes wrong in one is the store's failure, and nothing else is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, cast

from mlflow import MlflowClient

from fashionbench.errors import FashionbenchError, StoreError

_PACKAGES = {
    "boto3": "boto3",
    "botocore": "boto3",
    "google": "google-cloud-storage",
    "azure": "azure-storage-blob azure-identity",
    "MySQLdb": "mysqlclient",
    "psycopg2": "psycopg2-binary",
    "psycopg": "psycopg[binary]",
}
"""What to install for a module that a store of another kind needs, if it has another name."""


@contextmanager
def store_calls() -> Iterator[None]:
    """Raise StoreError for any error of MLflow, or of a library that it uses, in this block.

    Databases, object stores and HTTP each have errors of their own, and MLflow passes them on.
    """
    try:
        yield
    except FashionbenchError:
        raise
    except ImportError as error:
        module = (error.name or "").partition(".")[0]
        package = _PACKAGES.get(module, module)
        remedy = f"; pip install {package}" if package else ""
        raise StoreError(f"{error}{remedy}") from error
    except Exception as error:
        message = str(error) or type(error).__name__
        raise StoreError(message, str(getattr(error, "error_code", ""))) from error


class _Guarded:
    """A client whose methods raise StoreError and no other error."""

    def __init__(self, client: MlflowClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        method: Callable[..., Any] = getattr(self._client, name)

        @wraps(method)
        def call(*arguments: Any, **options: Any) -> Any:
            with store_calls():
                return method(*arguments, **options)

        return call


def guarded(client: MlflowClient) -> MlflowClient:
    """Return a client whose methods raise StoreError and no other error."""
    return cast(MlflowClient, _Guarded(client))
