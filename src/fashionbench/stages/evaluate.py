"""Stage ``evaluate@<network>``: final scores of every replicate; only here are test images read."""

import logging

from fashionbench.params import load_params
from fashionbench.workers import local_workers

_log = logging.getLogger(__name__)


def run(name: str) -> None:
    """Score the replicates of network ``name``; ConfigError, or DataError for unfit weights."""
    params = load_params()
    network, seeds = params.network(name), params.seeds
    with local_workers(len(seeds)) as workers:
        # While the workers start: torch takes a second to import, and MLflow one.
        from fashionbench import evaluation, results

        weights = {seed: results.weights_file(name, seed) for seed in seeds}
        # A split after the other, and the largest first: no core idles while another has much left.
        waiting = {
            (seed, split): workers.submit(
                evaluation.run_evaluation,
                evaluation.EvaluationTask(
                    network=network,
                    loss_input=params.loss_input,
                    device=params.device,
                    precision=params.precision,
                    weights=weights[seed],
                    split=results.split_file(split),
                ),
            )
            for split in results.SPLITS
            for seed in seeds
        }
        from fashionbench.tracking import log_scores

        found = {
            seed: {split: waiting[seed, split].result() for split in results.SPLITS}
            for seed in seeds
        }
    results.write_table(evaluation.score_rows(found), results.network_table(name, "scores"))
    results.write_table(evaluation.confusion_rows(found), results.network_table(name, "confusion"))
    results.write_arrays(evaluation.predictions_by_seed(found), results.predictions_file(name))
    if unknown := log_scores(weights, evaluation.flat_scores(found)):
        _log.warning(
            f"MLflow has no run of {name} seeds {unknown}: scores were written to metrics/ only"
        )
