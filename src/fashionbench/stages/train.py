"""Stage ``train@<network>``: all replicates of one network, their weights and their curves."""

from fashionbench.params import load_params
from fashionbench.workers import local_workers


def run(name: str) -> None:
    """Train network ``name`` of params.yaml once a seed; ConfigError, DataError, TrainingError."""
    params = load_params()
    network, how, seeds = params.network(name), params.hyperparameters, params.seeds
    with local_workers(len(seeds)) as workers:
        # While the workers start: torch takes a second to import, and MLflow two.
        from fashionbench import results
        from fashionbench.replicates import best_seed, curves, train_replicates
        from fashionbench.training import Replicate

        replicates = [Replicate(network=network, how=how, seed=seed) for seed in seeds]
        splits = (results.split_file(split) for split in ("train", "val"))
        epochs = train_replicates(workers, replicates, *splits)
        from fashionbench.progress import TrainingProgress
        from fashionbench.tracking import track_network

        with (
            track_network(network, how, seeds) as runs,
            TrainingProgress(name, how.num_epochs, len(seeds)) as progress,
        ):
            rows = []
            for epoch in epochs:
                rows.append(epoch.row)
                runs.log_epoch(epoch.row)
                progress.advance(epoch.row)
                if epoch.is_last:
                    path = results.write_weights(epoch.state, name, epoch.row.seed)
                    runs.log_weights(epoch.row.seed, path)
            results.write_table(curves(rows), results.network_table(name, "curves"))
            best = best_seed(rows)
            runs.log_model(best, results.weights_file(name, best))
