"""How much work a training still is, to begin with the longest."""

from fashionbench.params import Network
from fashionbench.training.replicates import EpochTask


def remaining_cost(task: EpochTask) -> int:
    """Return the multiplications of an image in the forward pass, times the epochs left."""
    return operations(task.replicate.network) * _epochs_left(task)


def operations(network: Network) -> int:
    """Count the multiplications of a network for one image; those of normalisation are few."""
    total, channels, pixels = 0, 1, network.input_size
    for filters in network.conv_filters:
        total += pixels * 9 * channels * filters
        channels, pixels = filters, pixels // 4 if network.pool else pixels
    features = channels * pixels
    for size in (*network.hidden_sizes, network.num_classes):
        total += features * size
        features = size
    return total


def _epochs_left(task: EpochTask) -> int:
    return task.replicate.hyperparameters.num_epochs - task.epoch + 1
