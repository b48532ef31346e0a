"""Stage ``publish`` of a study: copy what the project's page shows to ``metrics/studies``."""

from fashionbench.params import load_params
from fashionbench.studies.published import publish


def run() -> None:
    """Replace the copy; DataError if a result is missing."""
    publish(load_params())
