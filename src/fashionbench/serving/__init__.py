"""The import path that models in MLflow depend on; models stored earlier must keep working."""

from fashionbench.errors import DataError
from fashionbench.serving.classifier import Classifier

__all__ = ["Classifier", "DataError"]
