"""Stage ``train`` of a study: train all replicates of all its networks at once."""

import logging
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from fashionbench.errors import TrainingError
from fashionbench.params import Params, load_params
from fashionbench.pipeline.dependencies import Dependencies
from fashionbench.stages import train
from fashionbench.training import checkpoints
from fashionbench.workers.at_once import train_at_once
from fashionbench.workers.costs import operations

if TYPE_CHECKING:
    from fashionbench.training.epoch import Replicate


def run(dependencies: Dependencies) -> None:
    """Train all networks of params.yaml once per seed, then write their weights and curves.

    Raises ConfigError, DataError, ChangedError, WorkerError, or TrainingError if a seed diverged:
    at the end, for the others go on.
    """
    params = load_params()
    # What diverged does so again below, where MLflow gets its curves and the reason.
    with suppress(TrainingError):
        train_at_once(distinct_replicates(params), lambda _: dependencies)
    # By now it is true of every replicate that it has been trained before.
    logging.getLogger(checkpoints.__name__).setLevel(logging.WARNING)
    for name in params.networks:
        train.run(name, dependencies)


def distinct_replicates(params: Params) -> "dict[str, list[Replicate]]":
    """Return the replicates of each network, the longest first, without those that are the same.

    Networks that differ in nothing but their names have their replicates in common.
    """
    seen = set()
    found: dict[str, list[Replicate]] = {}
    for name in params.networks:
        for replicate in train.replicates_of(params.of(name), name):
            content = replace(replicate, network=replace(replicate.network, name=""))
            if content not in seen:
                seen.add(content)
                found.setdefault(name, []).append(replicate)
    return dict(sorted(found.items(), key=lambda item: -operations(item[1][0].network)))
