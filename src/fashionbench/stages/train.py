"""Stage ``train``: train all replicates of a network, or of a study; write weights and curves."""

import logging
import os

from fashionbench.files import write_nothing
from fashionbench.params import load_params
from fashionbench.paths import network_table
from fashionbench.pipeline.dependencies import Dependencies
from fashionbench.studies.obtained import with_data
from fashionbench.workers.local import open_workers

_FEW = 5
"""Seeds that are enough for a try."""


def run(network: str | None, dependencies: Dependencies) -> None:
    """Train a network of params.yaml once per seed; in a study, where none is named, all of them.

    Raises ConfigError, DataError, ChangedError, WorkerError, or TrainingError if a seed diverged:
    at the end, for the others go on.
    """
    declared = load_params()
    params = with_data(declared)
    names = [network] if network else list(params.networks)
    replicates = sum(len(params.of(name).seeds) for name in names)
    if network and replicates > _FEW and os.environ.get("DVC_EXP_NAME"):
        logging.getLogger(__name__).info(
            f"{network} trains with {replicates} seeds; for a try with {_FEW} of them, add "
            f"-S '+networks.{network}.own.seeds={_FEW}'"
        )
    with open_workers(replicates) as workers:
        # After the fork: pandas starts threads, and takes half a second.
        from fashionbench.stages import training

        if not network:
            training.train_before(workers, params, dependencies)
        for name in names:
            training.train_network(workers, params.of(name), name, dependencies)
    for name in declared.networks.keys() - params.networks.keys():
        write_nothing(network_table(name, "curves"))
