"""Stage ``evaluate@<network>``: score every replicate."""

from fashionbench.params import load_params
from fashionbench.workers.local import local_workers


def run(name: str) -> None:
    """Score the replicates of network ``name``.

    Raises ConfigError, WorkerError, or DataError for weights that do not fit the network.
    """
    params = load_params().of(name)
    network, seeds = params.network(name), params.seeds
    with local_workers(len(seeds), "fashionbench.evaluation.inference") as workers:
        # Imported here, while the workers start: pandas takes half a second, MLflow two.
        from safetensors.numpy import load_file

        from fashionbench import paths, tables
        from fashionbench.data.splits import load_split
        from fashionbench.evaluation import scores, weights
        from fashionbench.evaluation.calibration import calibration_rows
        from fashionbench.evaluation.selection import best_seed
        from fashionbench.evaluation.tasks import EvaluationTask, run_evaluation

        # The largest split first, so that no core idles at the end while another has much left.
        waiting = {
            (seed, split): workers.submit(
                run_evaluation,
                EvaluationTask(
                    network=network,
                    loss_input=params.loss_input,
                    device=params.device,
                    precision=params.precision,
                    weights=paths.weights_file(name, seed),
                    split=paths.split_file(split),
                ),
            )
            for split in paths.SPLITS
            for seed in seeds
        }
        from fashionbench.tracking.mirror import mirror_network

        found = {
            seed: {split: waiting[seed, split].result() for split in paths.SPLITS} for seed in seeds
        }
    rows_by_table = {
        "scores": scores.score_rows(found),
        "confusion": scores.confusion_rows(found),
        "calibration": calibration_rows(found),
        "weights": weights.weight_rows(
            {seed: load_file(paths.weights_file(name, seed)) for seed in seeds},
            params.learning_rate,
        ),
    }
    for table, rows in rows_by_table.items():
        tables.write_table(rows, paths.network_table(name, table))
    tables.write_arrays(scores.predictions(found), paths.predictions_file(name))
    best = best_seed({seed: found[seed]["val"].accuracy for seed in seeds})
    filters = weights.strongest_filters(load_file(paths.weights_file(name, best)))
    errors = scores.worst_errors(found[best]["test"], load_split(paths.split_file("test")))
    tables.write_arrays({"filters": filters} | errors, paths.highlights_file(name))
    mirror_network(params, name)
