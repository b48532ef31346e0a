"""The model class of a network in MLflow, which stores this file with the model: no pickle."""

from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext


class RefusedInput(MlflowException):
    """A refused input: a server answers with status 400 and the reason.

    MLflow's server would put the whole input in front of the reason, so that the message stays as
    it was made.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name != "message" or not hasattr(self, name):
            super().__setattr__(name, value)


class RestoredNetwork:
    """A network with the weights of one replicate, from raw pixels to class probabilities.

    Not a subclass of PythonModel, which demands type hints but supports lists only, not arrays.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Restore the network from the artifacts ``network`` and ``weights``."""
        # Imported here, since torch takes seconds and MLflow runs this file to log the model too.
        from fashionbench.serving import Classifier

        files = {name: Path(path) for name, path in context.artifacts.items()}
        # Of the code that was logged: the project's may have changed since.
        code = files["network"].parents[1] / "code"
        self._classifier = Classifier.load(files["network"], files["weights"], code)

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Return a column of float32 probabilities for each class, by its name, a row an image.

        Images are pixels (n, height, width[, 3]) from 0 to 255. Raises RefusedInput for anything
        else.
        """
        import pandas as pd

        from fashionbench.serving import DataError

        try:
            found = self._classifier.probabilities(model_input)
            return pd.DataFrame(found, columns=self._classifier.classes)
        except DataError as error:
            raise RefusedInput(str(error), INVALID_PARAMETER_VALUE) from error


class NetworkModel(RestoredNetwork, PythonModel):
    """The class that MLflow instantiates."""


mlflow.models.set_model(NetworkModel())
