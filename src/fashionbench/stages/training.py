"""Train networks on workers: one with its results, or many at once into ``checkpoints/``.

A stage that trains one network has no more replicates than seeds. When all networks and seeds share
the workers, many of them have something to do.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from fashionbench import paths, tables
from fashionbench.errors import TrainingError
from fashionbench.files import replace_file
from fashionbench.params import Params
from fashionbench.pipeline.dependencies import Dependencies
from fashionbench.training import checkpoints
from fashionbench.training.checkpoints import Checkpoints
from fashionbench.training.epoch import Replicate
from fashionbench.training.progress import TrainingProgress
from fashionbench.training.replicates import (
    Divergence,
    FinishedEpoch,
    Workers,
    curves,
    first_tasks,
    train_together,
)


def train_network(workers: Workers, params: Params, name: str, dependencies: Dependencies) -> None:
    """Train a network once per seed, and write its weights and curves.

    Raises DataError, ChangedError, WorkerError, or TrainingError if a seed diverged.
    """
    paths.make_folders(name)
    to_train = replicates_of(params, name)
    kept = Checkpoints(paths.checkpoints_folder(), dependencies)
    events = train_together(workers, first_tasks(to_train, *_splits(to_train), kept))
    # Imported here, while the workers train: MLflow takes two seconds.
    from fashionbench.tracking.runs import track_training

    rows = []
    with (
        track_training(to_train, dependencies, workers) as runs,
        TrainingProgress({name: to_train}) as progress,
    ):
        for event in events:
            if isinstance(event, Divergence):
                runs.log_divergence(event.replicate.seed, event.reason)
                continue
            rows.append(event.row)
            runs.log_epoch(event.row)
            progress.advance(event)
            if event.weights is not None:
                replace_file(paths.weights_file(name, event.row.seed), event.weights)
        tables.write_table(curves(rows), paths.network_table(name, "curves"))
    dependencies.check_unchanged()
    kept.finish(to_train)


def train_before(workers: Workers, params: Params, dependencies: Dependencies) -> None:
    """Train all networks of a study at once, before :func:`train_network` writes what is there.

    What diverges does so again there, where MLflow gets its curves and the reason.
    """
    with suppress(TrainingError):
        train_at_once(workers, distinct_replicates(params), lambda _: dependencies)
    # By now every replicate has been trained before, and need not say so.
    logging.getLogger(checkpoints.__name__).setLevel(logging.WARNING)


def train_at_once(
    workers: Workers,
    replicates: dict[str, list[Replicate]],
    dependencies_of: Callable[[str], Dependencies],
) -> None:
    """Train replicates, by their network, until they are finished in ``checkpoints/``.

    ``dependencies_of`` returns those of the stage that trains a network. Raises DataError,
    ChangedError, WorkerError, or TrainingError if a seed diverged: at the end, for the others go
    on.
    """
    folder = paths.checkpoints_folder()
    dependencies = {name: dependencies_of(name) for name in replicates}
    kept = {name: Checkpoints(folder, found) for name, found in dependencies.items()}
    tasks = [
        task
        for name, found in replicates.items()
        for task in first_tasks(found, *_splits(found), kept[name])
    ]
    going = {name: len(found) for name, found in replicates.items()}
    finished: dict[str, list[Replicate]] = {name: [] for name in replicates}
    with TrainingProgress(replicates) as progress:
        for event in train_together(workers, tasks):
            name = event.replicate.network.name
            if isinstance(event, FinishedEpoch):
                progress.advance(event)
                if event.weights is None:
                    continue
                finished[name].append(event.replicate)
            going[name] -= 1
            if not going[name]:
                dependencies[name].check_unchanged()
                kept[name].finish(finished[name])


def replicates_of(params: Params, name: str) -> list[Replicate]:
    """Return the replicates of a network: one for each of the seeds."""
    network, hyperparameters = params.network(name), params.hyperparameters
    return [
        Replicate(network=network, hyperparameters=hyperparameters, seed=seed)
        for seed in params.seeds
    ]


def distinct_replicates(params: Params) -> dict[str, list[Replicate]]:
    """Return the replicates of each network, without those that are the same.

    Networks that differ in nothing but their names have their replicates in common.
    """
    seen = set()
    found: dict[str, list[Replicate]] = {}
    for name in params.networks:
        for replicate in replicates_of(params.of(name), name):
            content = replace(replicate, network=replace(replicate.network, name=""))
            if content not in seen:
                seen.add(content)
                found.setdefault(name, []).append(replicate)
    return found


def _splits(replicates: Sequence[Replicate]) -> tuple[Path, Path]:
    """Return the images on which the replicates of a network are trained and validated."""
    images = replicates[0].network.images
    return paths.split_file("train", images), paths.split_file("val", images)
