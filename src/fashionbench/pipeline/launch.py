"""Prepares the process of a command: its environment, messages and signals."""

import getpass
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

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


@dataclass
class Asked:
    """The signal by which a user or a batch system asked the process to end; None if none did.

    What a signal handler raises is not what arrives: an import that is interrupted may end in any
    other error.
    """

    to_end_by: signal.Signals | None = None

    def _end(self, number: int, _: object) -> None:
        self.to_end_by = signal.Signals(number)
        raise KeyboardInterrupt


@contextmanager
def prepared_process() -> Iterator[Asked]:
    """Run a command in this block, with Ctrl-C and SIGTERM raised as KeyboardInterrupt.

    So workers, runs and temporary files are cleaned up after both.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    _name_user()
    pin_arithmetic()
    logger = logging.getLogger("fashionbench")
    logger.setLevel(logging.INFO)
    # Replaces the handler of an earlier call, whose stderr may be closed.
    logger.handlers = [logging.StreamHandler()]
    asked = Asked()
    if threading.current_thread() is not threading.main_thread():
        yield asked  # Only the main thread may handle signals.
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # As Ctrl-C is in a job in the background.
            signal.signal(number, asked._end)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _name_user() -> None:
    """Give a user without a name, as in many containers, one that DVC and MLflow can ask for."""
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = str(os.getuid())
