"""Errors that a user can fix; each message is one line that says how."""


class FashionbenchError(Exception):
    """An error that stops a command and that its user can fix."""


class ConfigError(FashionbenchError):
    """A value in ``params.yaml`` or an argument of a command is not allowed."""


class DataError(FashionbenchError):
    """A data or model file is missing or has the wrong content."""


class TrainingError(FashionbenchError):
    """The training of a replicate failed."""


class DivergedError(TrainingError):
    """The loss of a replicate is no longer a finite number."""


class WorkerError(FashionbenchError):
    """A worker of a stage has died or run out of memory, or no scheduler of workers answers."""


class ChangedError(FashionbenchError):
    """A dependency of a stage was edited while the stage ran."""


class BusyError(FashionbenchError):
    """Another process is already running the same stage."""


class VerificationError(FashionbenchError):
    """A reproduced result differs from the committed one, or could not be made."""


class StoreError(FashionbenchError):
    """The MLflow store cannot be reached, or refuses what is asked of it.

    ``code`` is MLflow's name of the reason, empty if the store never answered.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code
