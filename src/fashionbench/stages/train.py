"""Stage ``train@<network>``: train all replicates of one network; write weights and curves."""

from fashionbench.params import load_params
from fashionbench.pipeline.dependencies import Dependencies
from fashionbench.training.workers import local_workers


def run(name: str, dependencies: Dependencies) -> None:
    """Train network ``name`` of params.yaml once per seed.

    Raises ConfigError, DataError, ChangedError, WorkerError, or TrainingError if a seed diverged.
    """
    params = load_params()
    network, hyperparameters, seeds = params.network(name), params.hyperparameters, params.seeds
    with local_workers(len(seeds), "fashionbench.training.replicates") as workers:
        # Imported here, while the workers start: torch takes a second, and MLflow two.
        from fashionbench import paths, tables
        from fashionbench.training import replicates
        from fashionbench.training.checkpoints import Checkpoints
        from fashionbench.training.epoch import Replicate

        paths.make_folders(name)
        to_train = [
            Replicate(network=network, hyperparameters=hyperparameters, seed=seed) for seed in seeds
        ]
        train, val = (paths.split_file(split) for split in ("train", "val"))
        checkpoints = Checkpoints(paths.checkpoints_folder(), dependencies)
        events = replicates.train_replicates(workers, to_train, train, val, checkpoints)
        from fashionbench.tracking.live import track_training
        from fashionbench.training.progress import TrainingProgress

        with (
            track_training(to_train, dependencies) as runs,
            TrainingProgress(name, hyperparameters.num_epochs, len(seeds)) as progress,
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
                    tables.write_weights(event.weights, name, event.row.seed)
            tables.write_table(replicates.curves(rows), paths.network_table(name, "curves"))
    dependencies.check_unchanged()
    checkpoints.remove(to_train)
