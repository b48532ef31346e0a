"""The cost of a network, counted rather than measured: the same on every machine."""

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from fashionbench.params import Network
from fashionbench.training.networks import build, count_parameters


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Trainable parameters, and 10^12 floating-point operations to train one replicate."""

    parameters: int
    train_teraflop: float


def count_costs(network: Network, train_size: int, num_epochs: int) -> Costs:
    """Count a network's parameters and the operations of its matrix products and convolutions.

    ``train_size`` is in images per epoch. The backward pass multiplies by each weight twice, for
    the gradient of the weights and for that of the layer's input; the images need no gradient, so
    the first layer counts once.
    """
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        # In evaluation mode: batch normalisation cannot train on a single image.
        build(network).eval()(torch.empty(1, 28, 28)).sum().backward()
    operations = counter.get_total_flops() * train_size * num_epochs
    return Costs(parameters=count_parameters(network), train_teraflop=operations / 1e12)
