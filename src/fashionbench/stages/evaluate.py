"""Stage ``evaluate@<network>``: final scores of every replicate; only here are test images read."""

import logging
from pathlib import Path

from safetensors.numpy import save_file

from fashionbench.evaluation import (
    EvaluationTask,
    confusion_rows,
    evaluate_replicate,
    flat_scores,
    predictions_by_seed,
    score_rows,
)
from fashionbench.params import load_params
from fashionbench.results import SPLITS, network_table, split_file, weights_file, write_table
from fashionbench.workers import local_workers

PREDICTIONS_DIR = Path("data/predictions")

_log = logging.getLogger(__name__)


def run(name: str) -> None:
    """Score the replicates of network ``name``; ConfigError, or DataError for unfit weights."""
    params = load_params()
    task = EvaluationTask(
        network=params.network(name),
        loss_input=params.loss_input,
        device=params.device,
        precision=params.precision,
        splits={split: split_file(split) for split in SPLITS},
    )
    weights = {seed: weights_file(name, seed) for seed in params.seeds}
    with local_workers(len(weights)) as workers:
        waiting = {
            seed: workers.submit(evaluate_replicate, task, path) for seed, path in weights.items()
        }
        from fashionbench.tracking import log_scores  # While the workers start: it takes seconds.

        evaluations = {seed: future.result() for seed, future in waiting.items()}
    write_table(score_rows(evaluations), network_table(name, "scores"))
    write_table(confusion_rows(evaluations), network_table(name, "confusion"))
    PREDICTIONS_DIR.mkdir(parents=True, exist_ok=True)
    save_file(predictions_by_seed(evaluations), PREDICTIONS_DIR / f"{name}.safetensors")
    unknown = log_scores(weights, flat_scores(evaluations))
    if unknown:
        _log.warning(
            f"MLflow has no run of {name} seeds {unknown}: scores were written to metrics/ only"
        )
