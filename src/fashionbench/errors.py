"""The errors that a user can mend; each message is one line that says how."""


class FashionbenchError(Exception):
    """Anything that stops a command and that its user can do something about."""


class ConfigError(FashionbenchError):
    """``params.yaml`` or a command's argument asks for something that is not allowed."""


class DataError(FashionbenchError):
    """A data or model file is missing, or is not what it should be."""


class TrainingError(FashionbenchError):
    """A replicate could not be trained to its end."""


class DivergedError(TrainingError):
    """The loss of a replicate is no longer a finite number."""


class WorkerError(FashionbenchError):
    """A process that computed for a stage has died."""


class ChangedError(FashionbenchError):
    """What a stage depends on was edited while it ran."""


class BusyError(FashionbenchError):
    """Another process is already running the same stage."""


class VerificationError(FashionbenchError):
    """What was made again is not what is committed, or could not be made."""
