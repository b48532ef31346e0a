"""The cost of a network, counted from its declaration: the same on every machine, without torch."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt

from fashionbench.params import Network


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A convolution, or a fully connected layer, whose ``pixels`` are 1.

    Each of its ``outputs`` channels is at each pixel a sum of ``terms`` products.
    """

    terms: int
    outputs: int
    pixels: int

    @property
    def products(self) -> int:
        """Multiplications for one image in the forward pass."""
        return self.terms * self.outputs * self.pixels


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Trainable parameters, and 10^12 floating-point operations to train one replicate."""

    parameters: int
    train_teraflop: float


def layers_of(network: Network) -> Iterator[Layer]:
    """Yield the layers that have weights, from the images on."""
    channels, side = 1, isqrt(network.input_size)
    for filters in network.conv_filters:
        yield Layer(terms=3 * 3 * channels, outputs=filters, pixels=side**2)
        channels, side = filters, side // 2 if network.pool else side
    features = channels * side**2 if network.conv_filters else network.input_size
    for size in (*network.hidden_sizes, network.num_classes):
        yield Layer(terms=features, outputs=size, pixels=1)
        features = size


def count_parameters(network: Network) -> int:
    """Count the trainable parameters: weights, biases, and two per channel that is normalised."""
    layers = list(layers_of(network))
    normalised = sum(layer.outputs for layer in layers[:-1]) if network.batch_norm else 0
    return sum((layer.terms + 1) * layer.outputs for layer in layers) + 2 * normalised


def count_costs(network: Network, train_size: int, num_epochs: int) -> Costs:
    """Count a network's parameters and the operations of its matrix products and convolutions.

    ``train_size`` is in images per epoch. The backward pass multiplies by each weight twice, for
    the gradient of the weights and for that of the layer's input; the images need no gradient, so
    the first layer counts once. A multiplication and its addition are two operations.
    """
    first, *others = layers_of(network)
    products = 2 * first.products + 3 * sum(layer.products for layer in others)
    return Costs(
        parameters=count_parameters(network),
        train_teraflop=2 * products * train_size * num_epochs / 1e12,
    )
