"""From a declared network to a torch module, and the forward pass outside training."""

from collections.abc import Mapping
from math import isqrt
from typing import cast

import torch
from torch import Tensor, nn

from fashionbench.params import Device, Initialisation, Network, Precision
from fashionbench.pipeline.processor import check_capability
from fashionbench.training import arithmetic
from fashionbench.training.kernels import NARROW

INPUT_SCALE = 1 / 255
"""From pixels, 0 to 255, to inputs: a product takes two thirds of the time of a quotient."""
INFERENCE_BATCH = 128
"""Images in one forward pass outside training: enough for matrix products to be efficient, few
enough for the activations of a convolution to stay in a cache."""


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


class ChannelsLastFlatten(nn.Module):
    """Flatten (n, channels, height, width) to (n, height * width * channels).

    In this order a tensor in torch's channels-last memory format needs no copy.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """Return one row per image, the channels of a pixel side by side."""
        return inputs.permute(0, 2, 3, 1).flatten(1)


def configure_torch() -> None:
    """Set up torch in this process, before any task; ConfigError if it has other code loaded.

    One thread gives the same bits on any number of cores, and networks this small gain nothing from
    a second one. Numbers below the smallest normal one, 1.2e-38, count as 0: Adam's moments of
    units that are never active fade into them, and processors compute with them so slowly that
    n3_mlp took twice as long.
    """
    check_capability(torch.backends.cpu.get_cpu_capability())
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def build(
    network: Network,
    initialisation: Initialisation = "pytorch",
    generator: torch.Generator | None = None,
) -> nn.Sequential:
    """Build a network's module, from inputs in [0, 1] of shape (n, 28, 28) to logits (n, classes).

    After each layer: batch normalisation if declared, then ReLU, then max pooling if declared (for
    convolutions), then dropout from ``generator`` if declared (for hidden layers). Convolutions are
    3x3 with stride 1 and padding 1. The softmax that ends the report's networks belongs to the
    loss. Weights are drawn from torch's global generator: PyTorch's own initialisation, or glorot's
    uniform one with biases of 0 (Glorot and Bengio, AISTATS 2010; Keras's default).
    """
    convolutions, features = _convolutions(network)
    flatten = ChannelsLastFlatten() if convolutions else nn.Flatten()
    hidden, features = _fully_connected(network, features, generator or torch.Generator())
    layers = [*convolutions, flatten, *hidden, nn.Linear(features, network.num_classes)]
    for layer in layers:
        if initialisation == "glorot":
            _initialise_by_glorot(layer)
        if isinstance(layer, nn.Linear):
            _lay_out(layer)
    # Only convolutions have a memory format to choose; channels last is the faster one on a CPU.
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


def _convolutions(network: Network) -> tuple[list[nn.Module], int]:
    """Return the layers up to the last convolution's, and the number of values that leave them."""
    if not network.conv_filters:
        return [], network.input_size
    channels, side = 1, isqrt(network.input_size)
    layers: list[nn.Module] = [nn.Unflatten(1, (channels, side))]
    for filters in network.conv_filters:
        layers.append(nn.Conv2d(channels, filters, kernel_size=3, padding=1))
        layers += [nn.BatchNorm2d(filters)] if network.batch_norm else []
        layers.append(nn.ReLU())
        layers += [nn.MaxPool2d(2)] if network.pool else []
        channels, side = filters, side // 2 if network.pool else side
    return layers, channels * side**2


def _fully_connected(
    network: Network, features: int, generator: torch.Generator
) -> tuple[list[nn.Module], int]:
    """Return the hidden layers after a number of values, and how many values leave them."""
    layers: list[nn.Module] = []
    for size in network.hidden_sizes:
        layers.append(nn.Linear(features, size))
        layers += [nn.BatchNorm1d(size)] if network.batch_norm else []
        layers.append(nn.ReLU())
        layers += [Dropout(network.dropout_prob, generator)] if network.dropout_prob else []
        features = size
    return layers, features


def _initialise_by_glorot(layer: nn.Module) -> None:
    if isinstance(layer, nn.Linear | nn.Conv2d):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(cast(Tensor, layer.bias))


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


def pixels_to_inputs(images: Tensor, out: Tensor | None = None) -> Tensor:
    """Convert uint8 images of any shape to float32 inputs in [0, 1] of that shape.

    Fills and returns ``out`` if it is given.
    """
    return torch.mul(images, INPUT_SCALE, out=out)


def autocast(device: Device, precision: Precision) -> torch.autocast:
    """Return the context in which a forward pass has the given precision."""
    return torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16")


@torch.inference_mode()
def infer(module: nn.Sequential, images: Tensor, precision: Precision = "float32") -> Tensor:
    """Return logits, float32 of shape (n, classes), of uint8 images, in evaluation mode.

    Restores the module's mode.
    """
    was_training = module.training
    module.eval()
    # Made beforehand: small tensors kept between large ones that come and go leave holes in the
    # heap, which in n8_conv cost up to a gigabyte.
    logits = torch.empty(
        len(images), cast(nn.Linear, module[-1]).out_features, device=images.device
    )
    with autocast(cast(Device, images.device.type), precision):
        for rows, batch in zip(
            logits.split(INFERENCE_BATCH), images.split(INFERENCE_BATCH), strict=True
        ):
            rows.copy_(_forward(module, pixels_to_inputs(batch)))
    module.train(was_training)
    return logits


def _forward(module: nn.Sequential, values: Tensor) -> Tensor:
    """Return what calling the module would, in the arithmetic of training."""
    for layer in module:
        if isinstance(layer, nn.Linear):
            values = arithmetic.linear(values, layer.weight, layer.bias)
        elif isinstance(layer, nn.Conv2d):
            values = arithmetic.convolution(values, layer.weight, cast(Tensor, layer.bias))
        else:
            values = layer(values)
    return values
