"""What an MLflow model of a network does. MLflow keeps this file with the model, and no pickle."""

import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import numpy.typing as npt
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext


class RestoredNetwork:
    """A network with the weights of a replicate, from raw pixels to probabilities.

    Apart from MLflow's own class, whose heirs must type their input: a list, but never an array.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Restore the network; imports here and not above, since torch takes seconds."""
        from fashionbench.params import Network
        from fashionbench.serving import Classifier

        config = json.loads(Path(context.artifacts["network"]).read_text(encoding="utf-8"))
        weights = Path(context.artifacts["weights"])
        self._classifier = Classifier(Network(**config["network"]), weights, config["precision"])

    def predict(
        self, context: PythonModelContext, model_input: Any, params: dict[str, Any] | None = None
    ) -> npt.NDArray[np.float32]:
        """Probabilities; a server answers with status 400 and the reason to unfit pixels."""
        from fashionbench.errors import DataError

        try:
            return self._classifier.probabilities(model_input)
        except DataError as error:
            raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from error


class NetworkModel(RestoredNetwork, PythonModel):
    """What MLflow calls."""


mlflow.models.set_model(NetworkModel())
