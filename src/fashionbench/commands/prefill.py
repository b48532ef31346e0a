"""The command ``fashionbench prefill``: trains all networks at once, ahead of ``dvc repro``.

DVC runs its stages one after another, a network in each; ``dvc repro`` then finds the replicates
finished in ``checkpoints/``.
"""

from fashionbench.params import load_params
from fashionbench.pipeline.dependencies import Dependencies
from fashionbench.stages.train_all import distinct_replicates
from fashionbench.workers.at_once import train_at_once


def prefill() -> None:
    """Train all replicates of the project that are not finished yet.

    Raises ConfigError, DataError, ChangedError, WorkerError, or TrainingError if a seed diverged:
    at the end, for the others go on.
    """
    train_at_once(distinct_replicates(load_params()), lambda name: Dependencies.of("train", name))
