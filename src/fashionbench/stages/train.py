"""Stage ``train@<network>``: all replicates of one network, their weights and their curves."""

from fashionbench.dependencies import Dependencies
from fashionbench.params import load_params
from fashionbench.workers import local_workers


def run(name: str, dependencies: Dependencies) -> None:
    """Train network ``name`` of params.yaml once a seed.

    Raises ConfigError, DataError, ChangedError, WorkerError, or TrainingError if a seed diverged.
    """
    params = load_params()
    network, how, seeds = params.network(name), params.hyperparameters, params.seeds
    with local_workers(len(seeds)) as workers:
        # While the workers start: torch takes a second to import, and MLflow two.
        from fashionbench import replicates, results
        from fashionbench.checkpoints import Checkpoints
        from fashionbench.training import Replicate

        results.make_folders(name)
        to_train = [Replicate(network=network, how=how, seed=seed) for seed in seeds]
        train, val = (results.split_file(split) for split in ("train", "val"))
        checkpoints = Checkpoints(results.checkpoints_folder(), dependencies)
        events = replicates.train_replicates(workers, to_train, train, val, checkpoints)
        from fashionbench.progress import TrainingProgress
        from fashionbench.tracking.live import track_training

        with (
            track_training(to_train, dependencies) as runs,
            TrainingProgress(name, how.num_epochs, len(seeds)) as progress,
        ):
            rows = []
            for event in events:
                if isinstance(event, replicates.Divergence):
                    runs.log_divergence(event.seed, event.reason)
                    continue
                rows.append(event.row)
                runs.log_epoch(event.row)
                progress.advance(event.row, event.is_restored)
                if event.weights is not None:
                    results.write_weights(event.weights, name, event.row.seed)
            results.write_table(replicates.curves(rows), results.network_table(name, "curves"))
    dependencies.check_unchanged()
    checkpoints.remove(to_train)
