"""Reads the results of a network that are to be in MLflow: curves, scores and weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from fashionbench.analysis.files import KINDS
from fashionbench.evaluation.selection import best_seed
from fashionbench.params import Network, Params, Precision
from fashionbench.paths import network_table, weights_file
from fashionbench.pipeline.dependencies import Dependencies, sha256_of
from fashionbench.pipeline.identity import digest
from fashionbench.tables import read_table
from fashionbench.tracking.run_spec import RunSpec, describe_network, describe_replicate

MODEL_SCORE = "final/val_accuracy"
"""The metric by which models are selected: never one of the test split."""

Rows = list[dict[str, float]]


@dataclass(frozen=True, kw_only=True)
class StoredResults:
    """The results of a network: ``spec`` describes its run, all else is keyed by seed.

    ``replicates`` describe the replicates' runs. ``curves`` have one row per epoch, ``scores`` are
    metrics by name, ``weights`` are the sha256 of the files. MLflow groups names such as
    final/test_accuracy by their first part.
    """

    network: Network
    precision: Precision
    spec: RunSpec
    replicates: Mapping[int, RunSpec]
    curves: Mapping[int, Rows]
    scores: Mapping[int, Mapping[str, float]]
    weights: Mapping[int, str]

    def content(self, seed: int) -> str:
        """Return a digest of all results of a replicate."""
        return digest(self.curves[seed], self.scores[seed], self.weights[seed])

    @property
    def whole_content(self) -> str:
        """A digest of all results of the network."""
        return digest([self.content(seed) for seed in self.replicates])

    @property
    def mean_curve(self) -> Rows:
        """One row per epoch, each value a mean over seeds."""
        return [
            {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
            for rows in zip(*self.curves.values(), strict=True)
        ]

    @property
    def best_seed(self) -> int:
        """The seed of the replicate whose weights become the network's model."""
        return best_seed({seed: scores[MODEL_SCORE] for seed, scores in self.scores.items()})

    @property
    def mean_score(self) -> float:
        """The mean over seeds of MODEL_SCORE, by which networks are ranked."""
        return sum(of_seed[MODEL_SCORE] for of_seed in self.scores.values()) / len(self.scores)


def read_stored_results(params: Params, name: str, dependencies: Dependencies) -> StoredResults:
    """Read the results of network ``name``.

    ``dependencies`` are those of stage ``train`` for any network, which all have the same files.
    Raises DataError if a table is missing, OSError if weights are, ConfigError for an unknown name.
    """
    params = params.of(name)
    network, hyperparameters = params.network(name), params.hyperparameters
    replicates = {
        seed: describe_replicate(network, hyperparameters, seed, dependencies)
        for seed in params.seeds
    }
    curves = read_table(network_table(name, "curves"))
    scores = read_table(network_table(name, "scores"))
    return StoredResults(
        network=network,
        precision=hyperparameters.precision,
        spec=describe_network(network, hyperparameters, replicates),
        replicates=replicates,
        curves={
            seed: cast(Rows, curves[curves["seed"] == seed].drop(columns="seed").to_dict("records"))
            for seed in replicates
        },
        scores={
            seed: {
                f"final/{row['split']}_{kind}": float(row[kind])
                for row in scores[scores["seed"] == seed].to_dict("records")
                for kind in KINDS
            }
            for seed in replicates
        },
        weights={seed: sha256_of(weights_file(name, seed)) for seed in replicates},
    )
