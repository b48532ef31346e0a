"""Stage ``train@<network>``: train all replicates of one network; write weights and curves."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fashionbench import paths
from fashionbench.params import Params, load_params
from fashionbench.pipeline.dependencies import Dependencies
from fashionbench.workers.pool import open_workers

if TYPE_CHECKING:
    from fashionbench.tracking.live import TrainingRuns
    from fashionbench.training.epoch import Replicate
    from fashionbench.training.progress import TrainingProgress
    from fashionbench.training.replicates import Divergence, FinishedEpoch


def run(name: str, dependencies: Dependencies) -> None:
    """Train network ``name`` of params.yaml once per seed.

    Raises ConfigError, DataError, ChangedError, WorkerError, or TrainingError if a seed diverged.
    """
    params = load_params().of(name)
    with open_workers(len(params.seeds), "fashionbench.training.replicates") as workers:
        # Imported here, while the workers start: torch takes a second, and MLflow two.
        from fashionbench.training.checkpoints import Checkpoints
        from fashionbench.training.replicates import train_replicates

        paths.make_folders(name)
        to_train = replicates_of(params, name)
        train, val = (paths.split_file(split) for split in ("train", "val"))
        checkpoints = Checkpoints(paths.checkpoints_folder(), dependencies)
        events = train_replicates(workers, to_train, train, val, checkpoints)
        from fashionbench.tracking.live import track_training
        from fashionbench.training.progress import TrainingProgress

        with (
            track_training(to_train, dependencies, workers) as runs,
            TrainingProgress(name, params.num_epochs, len(to_train)) as progress,
        ):
            _write_results(name, events, runs, progress)
    dependencies.check_unchanged()
    checkpoints.finish(to_train)


def replicates_of(params: Params, name: str) -> "list[Replicate]":
    """Return the replicates of a network: one for each of the seeds."""
    from fashionbench.training.epoch import Replicate

    network, hyperparameters = params.network(name), params.hyperparameters
    return [
        Replicate(network=network, hyperparameters=hyperparameters, seed=seed)
        for seed in params.seeds
    ]


def _write_results(
    name: str,
    events: "Iterable[FinishedEpoch | Divergence]",
    runs: "TrainingRuns",
    progress: "TrainingProgress",
) -> None:
    from fashionbench import tables
    from fashionbench.training.replicates import Divergence, curves

    rows = []
    for event in events:
        if isinstance(event, Divergence):
            runs.log_divergence(event.seed, event.reason)
            continue
        rows.append(event.row)
        runs.log_epoch(event.row)
        progress.advance(event.row, event.is_restored)
        if event.weights is not None:
            tables.write_weights(event.weights, name, event.row.seed)
    tables.write_table(curves(rows), paths.network_table(name, "curves"))
