"""Score the replicates of a network on worker processes, and write what comes of it."""

from collections.abc import Mapping
from concurrent.futures import Executor, Future

from safetensors.numpy import load_file

from fashionbench import paths, tables
from fashionbench.data.splits import load_split
from fashionbench.evaluation import scores, weights
from fashionbench.evaluation.scores import Evaluation, best_seed, calibration_rows
from fashionbench.evaluation.trained import (
    Accuracies,
    EvaluationTask,
    robustness_rows,
    run_evaluation,
    run_robustness,
)
from fashionbench.params import Params

TABLES = ("scores", "confusion", "calibration", "weights")
Waiting = Mapping[tuple[int, str], Future[Evaluation]]
"""Evaluations that have been begun, by seed and split."""


def begin(workers: Executor, params: Params, name: str) -> Waiting:
    """Begin to score all replicates of a network on all splits."""
    # The largest split first, so that no core idles at the end while another has much left.
    return {
        (seed, split): workers.submit(run_evaluation, _task(params, name, seed, split))
        for split in paths.SPLITS
        for seed in params.seeds
    }


def begin_robustness(
    workers: Executor, params: Params, name: str
) -> Mapping[int, Future[Accuracies]]:
    """Begin to score all replicates of a network on corrupted test images."""
    return {
        seed: workers.submit(run_robustness, _task(params, name, seed, "test"))
        for seed in params.seeds
    }


def _task(params: Params, name: str, seed: int, split: str) -> EvaluationTask:
    network = params.network(name)
    return EvaluationTask(
        network=network,
        loss_input=params.loss_input,
        device=params.device,
        precision=params.precision,
        weights=paths.weights_file(name, seed),
        split=paths.split_file(split, network.images),
    )


def write_scores(params: Params, name: str, waiting: Waiting) -> None:
    """Write a network's tables, predictions and images; the mirror brings them to MLflow.

    Raises WorkerError, or DataError for weights that do not fit the network.
    """
    network, seeds, classes = params.network(name), params.seeds, params.dataset.classes
    found = {
        seed: {split: waiting[seed, split].result() for split in paths.SPLITS} for seed in seeds
    }
    rows_by_table = {
        "scores": scores.score_rows(found, classes),
        "confusion": scores.confusion_rows(found, classes),
        "calibration": calibration_rows(found),
        "weights": weights.weight_rows(
            {seed: load_file(paths.weights_file(name, seed)) for seed in seeds},
            weights.step_length(params.hyperparameters),
            network,
        ),
    }
    for table, rows in rows_by_table.items():
        tables.write_table(rows, paths.network_table(name, table))
    kept = {split: load_split(paths.split_file(split, network.images)) for split in ("val", "test")}
    labels = {split: of_split.labels for split, of_split in kept.items()}
    tables.write_arrays(scores.predictions(found, labels), paths.predictions_file(name))
    best = best_seed({seed: found[seed]["val"].accuracy for seed in seeds})
    filters = weights.strongest_filters(load_file(paths.weights_file(name, best)), network)
    errors = scores.worst_errors(found[best]["test"], kept["test"])
    tables.write_arrays({"filters": filters} | errors, paths.highlights_file(name))


def write_robustness(name: str, waiting: Mapping[int, Future[Accuracies]]) -> None:
    """Write a network's table of :func:`begin_robustness`. Raises WorkerError or DataError."""
    found = {seed: of_seed.result() for seed, of_seed in waiting.items()}
    tables.write_table(robustness_rows(found), paths.network_table(name, "robustness"))
