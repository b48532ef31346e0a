"""Stage ``evaluate``: score every replicate of a network, or of a study."""

from fashionbench.evaluation import trained  # noqa: F401 - for the workers.
from fashionbench.files import write_nothing
from fashionbench.params import load_params
from fashionbench.paths import network_table
from fashionbench.studies.obtained import with_data
from fashionbench.workers.local import local_processes


def run(network: str | None) -> None:
    """Score the replicates of a network, also on corrupted images; in a study, score those of all.

    Raises ConfigError, WorkerError, or DataError for weights that do not fit the network.
    """
    declared = load_params()
    params = with_data(declared)
    chosen = {name: params.of(name) for name in ([network] if network else params.networks)}
    replicates = sum(len(own.seeds) for own in chosen.values())
    with local_processes(replicates) as workers:
        # After the fork: pandas starts threads, and takes half a second.
        from fashionbench.stages import scoring

        waiting = {name: scoring.begin(workers, own, name) for name, own in chosen.items()}
        if network:
            corrupted = scoring.begin_robustness(workers, chosen[network], network)
        for name, own in chosen.items():
            scoring.write_scores(own, name, waiting.pop(name))
        if network:
            scoring.write_robustness(network, corrupted)
    for name in declared.networks.keys() - params.networks.keys():
        for table in scoring.TABLES:
            write_nothing(network_table(name, table))
