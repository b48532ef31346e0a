"""Stage ``evaluate@<network>``: final scores of every replicate; only here are test images read."""

from fashionbench.params import load_params
from fashionbench.workers import local_workers


def run(name: str) -> None:
    """Score the replicates of network ``name``; ConfigError, or DataError for unfit weights."""
    params = load_params()
    network, seeds = params.network(name), params.seeds
    with local_workers(len(seeds)) as workers:
        # While the workers start: torch takes a second to import, and MLflow one.
        from safetensors.numpy import load_file

        from fashionbench import evaluation, inspection, results
        from fashionbench.data import load_split

        # A split after the other, and the largest first: no core idles while another has much left.
        waiting = {
            (seed, split): workers.submit(
                evaluation.run_evaluation,
                evaluation.EvaluationTask(
                    network=network,
                    loss_input=params.loss_input,
                    device=params.device,
                    precision=params.precision,
                    weights=results.weights_file(name, seed),
                    split=results.split_file(split),
                ),
            )
            for split in results.SPLITS
            for seed in seeds
        }
        from fashionbench.tracking.mirror import mirror_network

        found = {
            seed: {split: waiting[seed, split].result() for split in results.SPLITS}
            for seed in seeds
        }
    tables = {
        "scores": evaluation.score_rows(found),
        "confusion": evaluation.confusion_rows(found),
        "weights": inspection.weight_rows(
            {seed: load_file(results.weights_file(name, seed)) for seed in seeds},
            params.learning_rate,
        ),
    }
    for table, rows in tables.items():
        results.write_table(rows, results.network_table(name, table))
    results.write_arrays(evaluation.predictions_by_seed(found), results.predictions_file(name))
    best = evaluation.best_seed(found)
    filters = inspection.strongest_filters(load_file(results.weights_file(name, best)))
    errors = evaluation.worst_errors(found[best]["test"], load_split(results.split_file("test")))
    results.write_arrays({"filters": filters} | errors, results.exhibits_file(name))
    mirror_network(params, name)
