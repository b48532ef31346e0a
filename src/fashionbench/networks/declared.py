"""From a declared network to a torch module, of torch's layers and of those that it lacks."""

from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path

import torch
from torch import Tensor, nn

from fashionbench.errors import ConfigError
from fashionbench.networks import own
from fashionbench.params import Activation, Device, Initialisation, Network
from fashionbench.portable.kernels import NARROW


class Dropout(nn.Module):
    """Inverted dropout (Srivastava et al., JMLR 15, 2014) with its own random generator.

    ``torch.nn.Dropout`` draws from the process's global generator, so that a replicate's bits would
    depend on whatever else the process does.
    """

    def __init__(self, prob: float, generator: torch.Generator) -> None:
        super().__init__()
        self.prob = prob
        self.generator = generator

    def forward(self, inputs: Tensor) -> Tensor:
        """Zero each value with probability ``prob`` in training; do nothing in evaluation."""
        return inputs * self.draw_mask(inputs) if self.training else inputs

    def draw_mask(self, inputs: Tensor) -> Tensor:
        """Return factors of the shape, dtype and device of ``inputs``: 0 or 1 / (1 - prob)."""
        # Several times faster than bernoulli_, which draws in double precision.
        kept = torch.rand(inputs.shape, generator=self.generator) >= self.prob
        return kept.to(inputs.device, inputs.dtype).div_(1 - self.prob)


class ChannelsFirst(nn.Module):
    """Arrange images as torch's layers for images take them."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return (n, channels, height, width), given (n, height, width[, channels])."""
        return inputs.unsqueeze(1) if inputs.ndim == 3 else inputs.permute(0, 3, 1, 2)


class ChannelsLastFlatten(nn.Module):
    """Flatten (n, channels, height, width) to (n, height * width * channels).

    In this order a tensor in torch's channels-last memory format needs no copy.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """Return one row per image, the channels of a pixel side by side."""
        return inputs.permute(0, 2, 3, 1).flatten(1)


def build(
    network: Network,
    initialisation: Initialisation = "pytorch",
    generator: torch.Generator | None = None,
    root: Path | None = None,
) -> nn.Sequential:
    """Build a network's module, from inputs in [0, 1] to logits (n, classes).

    Inputs have the shape (n, height, width), or (n, height, width, channels). Plain layers: after
    each, batch normalisation if declared, then the activation, then max pooling if declared (for
    convolutions), then dropout from ``generator`` if declared (for hidden layers, and once after
    the last convolution's).
    Convolutions are 3x3 with stride 1. The softmax that ends the report's networks belongs to the
    loss. Weights are drawn from torch's global generator: PyTorch's own initialisation, or glorot's
    uniform one with biases of 0 (Glorot and Bengio, AISTATS 2010; Keras's default). A module of the
    user's own is looked up in ``root``, by default the project. Raises ConfigError for a module
    that cannot be made.
    """
    if network.module:
        module = nn.Sequential(ChannelsFirst(), own.make(network, root))
        if initialisation == "glorot":
            module.apply(_initialise_by_glorot)
        return module
    generator = generator or torch.Generator()
    convolutions, features = _convolutions(network)
    flatten = ChannelsLastFlatten() if convolutions else nn.Flatten()
    hidden, features = _fully_connected(network, features, generator)
    if network.conv_dropout:
        hidden.insert(0, Dropout(network.conv_dropout, generator))
    layers = [*convolutions, flatten, *hidden, nn.Linear(features, network.num_classes)]
    if network.input_dropout:
        layers.insert(0, Dropout(network.input_dropout, generator))
    for layer in layers:
        if initialisation == "glorot":
            _initialise_by_glorot(layer)
        if isinstance(layer, nn.Linear):
            _lay_out(layer)
    # Only convolutions have a memory format to choose; channels last is the faster one on a CPU.
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


_ACTIVATIONS: Mapping[Activation, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
}


def _convolutions(network: Network) -> tuple[list[nn.Module], int]:
    """Return the layers up to the last convolution's, and the number of values that leave them.

    Raises ConfigError if they leave no pixel.
    """
    if not network.conv_filters:
        return [], network.input_size
    sides, channels = network.shape[:2], prod(network.shape[2:])
    layers: list[nn.Module] = [ChannelsFirst()]
    for filters in network.conv_filters:
        layers.append(nn.Conv2d(channels, filters, kernel_size=3, padding=network.padding))
        layers += [nn.BatchNorm2d(filters)] if network.batch_norm else []
        layers.append(_ACTIVATIONS[network.activation]())
        layers += [nn.MaxPool2d(2)] if network.pool else []
        channels, margin = filters, 2 if network.padding == "valid" else 0
        sides = tuple((side - margin) // (2 if network.pool else 1) for side in sides)
        if min(sides) < 1:
            raise ConfigError(
                f"networks.{network.name}.conv_filters: {list(network.conv_filters)} leaves no "
                "pixel of the images; use fewer convolutions, or padding same"
            )
    return layers, channels * prod(sides)


def _fully_connected(
    network: Network, features: int, generator: torch.Generator
) -> tuple[list[nn.Module], int]:
    """Return the hidden layers after a number of values, and how many values leave them."""
    layers: list[nn.Module] = []
    for size in network.hidden_sizes:
        layers.append(nn.Linear(features, size))
        layers += [nn.BatchNorm1d(size)] if network.batch_norm else []
        layers.append(_ACTIVATIONS[network.activation]())
        layers += [Dropout(network.dropout_prob, generator)] if network.dropout_prob else []
        features = size
    return layers, features


def _initialise_by_glorot(layer: nn.Module) -> None:
    if isinstance(layer, nn.Linear | nn.Conv2d):
        nn.init.xavier_uniform_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _lay_out(layer: nn.Linear) -> None:
    """Arrange the weight (outputs, inputs) in memory for a fast product.

    A wide layer's lies as (inputs, outputs): a batch is multiplied by it in three quarters of the
    time. A narrow one's lies as its outputs do, by output.
    """
    if layer.out_features >= NARROW:
        layer.weight.data = layer.weight.data.t().contiguous().t()


def restore(
    network: Network,
    weights: Mapping[str, Tensor],
    device: Device,
    generator: torch.Generator | None = None,
) -> nn.Sequential:
    """Build a network's module with a copy of the weights of a state dict.

    Leaves torch's global generator as it is. Raises RuntimeError for weights of another network.
    """
    # Drawn in vain, which takes less time than torch's meta device takes to be imported.
    with torch.random.fork_rng(devices=[]):
        module = build(network, generator=generator).to(device)
    module.load_state_dict(weights)
    return module


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    """Return the module's state dict, on the CPU and in the plain memory layout that files need."""
    return {name: tensor.cpu().contiguous() for name, tensor in module.state_dict().items()}
