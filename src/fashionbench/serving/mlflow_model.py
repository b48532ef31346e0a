"""The model class of a network in MLflow, which stores this file with the model: no pickle."""

from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext


class RestoredNetwork:
    """A network with the weights of one replicate, from raw pixels to class probabilities.

    Not a subclass of PythonModel, which demands type hints but supports lists only, not arrays.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Restore the network from the artifacts ``network`` and ``weights``."""
        # Imported here, since torch takes seconds and MLflow runs this file to log the model too.
        from fashionbench.serving import Classifier

        files = {name: Path(path) for name, path in context.artifacts.items()}
        self._classifier = Classifier.load(files["network"], files["weights"])

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Return float32 probabilities (n, classes) for pixels (n, 28, 28) from 0 to 255.

        Raises MlflowException for anything else, which a server reports with status 400.
        """
        from fashionbench.serving import DataError

        try:
            return self._classifier.probabilities(model_input)
        except DataError as error:
            raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from error


class NetworkModel(RestoredNetwork, PythonModel):
    """The class that MLflow instantiates."""


mlflow.models.set_model(NetworkModel())
