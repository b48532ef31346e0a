"""Prepares the process of a command: its environment, messages and signals."""

import getpass
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from fashionbench.portable.processor import pin_arithmetic

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # MLflow's own messages would break the progress display.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # By default MLflow retries a server that does not answer for a quarter of an hour.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}
"""Variables to set unless the user has."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, handled as Ctrl-C is: workers, runs and temporary files are cleaned up."""


@contextmanager
def prepared_process() -> Iterator[None]:
    """Run a command in this block, with SIGTERM raised as Terminated."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    _name_user()
    pin_arithmetic()
    logger = logging.getLogger("fashionbench")
    logger.setLevel(logging.INFO)
    # Replaces the handler of an earlier call, whose stderr may be closed.
    logger.handlers = [logging.StreamHandler()]
    if threading.current_thread() is not threading.main_thread():
        yield  # Only the main thread may handle signals.
        return
    before = signal.signal(signal.SIGTERM, _raise_terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _name_user() -> None:
    """Give a user without a name, as in many containers, one that DVC and MLflow can ask for."""
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = str(os.getuid())


def _raise_terminated(*_: object) -> None:
    raise Terminated
