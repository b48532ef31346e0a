"""The command ``fashionbench prefill``: trains all networks at once, ahead of ``dvc repro``.

DVC runs its stages one after another, a network in each; ``dvc repro`` then finds the replicates
finished in ``checkpoints/``.
"""

from fashionbench.params import load_params
from fashionbench.pipeline.dependencies import Dependencies
from fashionbench.workers.local import open_workers


def prefill() -> None:
    """Train all replicates of the project that are not finished yet.

    Raises ConfigError, DataError, ChangedError, WorkerError, or TrainingError if a seed diverged:
    at the end, for the others go on.
    """
    params = load_params()
    with open_workers(sum(len(params.of(name).seeds) for name in params.networks)) as workers:
        # After the fork: pandas starts threads.
        from fashionbench.stages.training import distinct_replicates, train_at_once

        replicates = distinct_replicates(params)
        train_at_once(workers, replicates, lambda name: Dependencies.of("train", name))
