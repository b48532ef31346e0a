"""What DVC holds of a network: curves, scores and weights, as the stages left them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from fashionbench.params import Network, Params, Precision
from fashionbench.paths import network_table, weights_file
from fashionbench.pipeline.dependencies import Dependencies, sha256_of
from fashionbench.tables import read_table
from fashionbench.tracking.run_spec import RunSpec, describe_network, describe_replicate, digest

KINDS = ("loss", "accuracy")
MODEL_SCORE = "final/val_accuracy"
"""What models are chosen by: never a score of test images."""

Rows = list[dict[str, float]]


@dataclass(frozen=True, kw_only=True)
class StoredResults:
    """The results of a network, by seed; ``spec`` is its own run's, ``below`` its replicates'.

    ``curves`` have a row an epoch, ``scores`` are by name, ``weights`` are the sha256 of the files.
    Of names like final/test_accuracy MLflow shows the first part as a heading.
    """

    network: Network
    precision: Precision
    spec: RunSpec
    below: Mapping[int, RunSpec]
    curves: Mapping[int, Rows]
    scores: Mapping[int, Mapping[str, float]]
    weights: Mapping[int, str]

    def content(self, seed: int) -> str:
        """A digest of all that there is of a replicate."""
        return digest(self.curves[seed], self.scores[seed], self.weights[seed])

    @property
    def whole_content(self) -> str:
        """A digest of all that there is of the network."""
        return digest([self.content(seed) for seed in self.below])

    @property
    def mean_curve(self) -> Rows:
        """A row an epoch, each value a mean over seeds."""
        return [
            {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
            for rows in zip(*self.curves.values(), strict=True)
        ]

    @property
    def best_seed(self) -> int:
        """Of the replicate whose weights are the network's model."""
        return max(self.scores, key=lambda seed: (self.scores[seed][MODEL_SCORE], -seed))

    @property
    def mean_score(self) -> float:
        """What networks are ranked by: the mean over seeds of MODEL_SCORE."""
        return sum(of_seed[MODEL_SCORE] for of_seed in self.scores.values()) / len(self.scores)


def read_stored_results(params: Params, name: str, dependencies: Dependencies) -> StoredResults:
    """Read the results of network ``name``.

    ``dependencies`` are those of the stage ``train``, of any network: their files are the same.
    Raises DataError if a table is missing, OSError if weights are, ConfigError for an unknown name.
    """
    network, hyperparameters = params.network(name), params.hyperparameters
    below = {
        seed: describe_replicate(network, hyperparameters, seed, dependencies)
        for seed in params.seeds
    }
    curves = read_table(network_table(name, "curves"))
    scores = read_table(network_table(name, "scores"))
    return StoredResults(
        network=network,
        precision=hyperparameters.precision,
        spec=describe_network(network, hyperparameters, below),
        below=below,
        curves={
            seed: cast(Rows, curves[curves["seed"] == seed].drop(columns="seed").to_dict("records"))
            for seed in below
        },
        scores={
            seed: {
                f"final/{row['split']}_{kind}": float(row[kind])
                for row in scores[scores["seed"] == seed].to_dict("records")
                for kind in KINDS
            }
            for seed in below
        },
        weights={seed: sha256_of(weights_file(name, seed)) for seed in below},
    )
