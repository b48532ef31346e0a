"""How much work a training still is, to begin with the longest."""

from fashionbench.params import Network
from fashionbench.training.costs import layers_of
from fashionbench.training.replicates import EpochTask


def remaining_cost(task: EpochTask) -> int:
    """Return the multiplications of an image in the forward pass, times the epochs left."""
    return operations(task.replicate.network) * _epochs_left(task)


def operations(network: Network) -> int:
    """Count the multiplications of a network for one image; those of normalisation are few."""
    return sum(layer.products for layer in layers_of(network))


def _epochs_left(task: EpochTask) -> int:
    return task.replicate.hyperparameters.num_epochs - task.epoch + 1
