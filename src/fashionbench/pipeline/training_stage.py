"""The stage that trains a network: the project has one for each, a study one for all."""

from fashionbench.paths import study
from fashionbench.pipeline.dependencies import Dependencies


def training_dependencies(network: str) -> Dependencies:
    """Record the dependencies of the stage that trains a network.

    Raises ConfigError if params.yaml is wrong or does not declare the network.
    """
    return Dependencies.of("train", None if study() else network)


def training_stage(network: str) -> str:
    """Return the name by which DVC knows the stage that trains a network."""
    return "train" if study() else f"train@{network}"
