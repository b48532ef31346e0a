"""Stage ``evaluate`` of a study: score every replicate of all its networks."""

from fashionbench.params import load_params
from fashionbench.stages import evaluate


def run() -> None:
    """Score the networks of params.yaml one after another.

    Raises ConfigError, WorkerError, or DataError for weights that do not fit a network.
    """
    for name in load_params().networks:
        evaluate.run(name)
