"""Stage ``robustness@<network>``: score every replicate on corrupted test images."""

from fashionbench.params import load_params
from fashionbench.workers.local import local_processes


def run(name: str) -> None:
    """Score the replicates of network ``name`` on every corruption.

    Raises ConfigError, WorkerError, or DataError for weights that do not fit the network.
    """
    params = load_params().of(name)
    network, seeds = params.network(name), params.seeds
    with local_processes(len(seeds), "fashionbench.evaluation.trained") as workers:
        # Imported here, while the workers start.
        from fashionbench.evaluation.corrupted_scores import robustness_rows, run_robustness
        from fashionbench.evaluation.tasks import ScoringTask
        from fashionbench.paths import network_table, split_file, weights_file
        from fashionbench.tables import write_table

        waiting = {
            seed: workers.submit(
                run_robustness,
                ScoringTask(
                    network=network,
                    device=params.device,
                    precision=params.precision,
                    weights=weights_file(name, seed),
                    split=split_file("test"),
                ),
            )
            for seed in seeds
        }
        found = {seed: of_seed.result() for seed, of_seed in waiting.items()}
    write_table(robustness_rows(found), network_table(name, "robustness"))
