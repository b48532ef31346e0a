"""What an MLflow model of a network does. MLflow keeps this file with the model, and no pickle."""

import json
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext


class RestoredNetwork:
    """A network with the weights of a replicate, from raw pixels to probabilities.

    Untyped, and not in a class of MLflow's itself: that wants types, but knows lists and no arrays.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Restore the network; imports here and not above, since torch takes seconds."""
        from fashionbench.params import Network
        from fashionbench.serving import Classifier

        config = json.loads(Path(context.artifacts["network"]).read_text(encoding="utf-8"))
        weights = Path(context.artifacts["weights"])
        self._classifier = Classifier(Network(**config["network"]), weights, config["precision"])

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Probabilities; a server answers with status 400 and the reason to unfit pixels."""
        from fashionbench.errors import DataError

        try:
            return self._classifier.probabilities(model_input)
        except DataError as error:
            raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from error


class NetworkModel(RestoredNetwork, PythonModel):
    """What MLflow calls."""


mlflow.models.set_model(NetworkModel())
