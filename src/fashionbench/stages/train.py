"""Stage ``train@<network>``: all replicates of one network, their weights and their curves."""

from fashionbench.params import load_params
from fashionbench.progress import TrainingProgress
from fashionbench.replicates import best_seed, curves, train_replicates
from fashionbench.results import (
    network_table,
    split_file,
    weights_file,
    write_table,
    write_weights,
)
from fashionbench.training import Replicate
from fashionbench.workers import local_workers


def run(name: str) -> None:
    """Train network ``name`` of params.yaml once a seed; ConfigError, DataError, TrainingError."""
    params = load_params()
    network, how, seeds = params.network(name), params.hyperparameters, params.seeds
    replicates = [Replicate(network=network, how=how, seed=seed) for seed in seeds]
    with local_workers(len(seeds)) as workers:
        results = train_replicates(workers, replicates, split_file("train"), split_file("val"))
        from fashionbench.tracking import track_network  # While workers start: it takes seconds.

        with (
            track_network(network, how, seeds) as runs,
            TrainingProgress(name, how.num_epochs, len(seeds)) as progress,
        ):
            rows = []
            for result in results:
                rows.append(result.row)
                runs.log_epoch(result.row)
                progress.advance(result.row)
                if result.is_last:
                    path = write_weights(result.state, name, result.row.seed)
                    runs.log_weights(result.row.seed, path)
            write_table(curves(rows), network_table(name, "curves"))
            best = best_seed(rows)
            runs.log_model(best, weights_file(name, best))
