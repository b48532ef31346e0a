"""From the declaration of a network to a torch module, and how such a module is run."""

from collections.abc import Mapping
from math import isqrt
from typing import cast

import torch
from torch import Tensor, nn

from fashionbench.params import Device, Network, Precision

INPUT_SCALE = 1 / 255
"""From pixels, 0 to 255, to inputs: a product takes two thirds of the time of a quotient."""
INFERENCE_BATCH = 128
"""Images in one forward pass outside training: enough for matrix products to be efficient, few
enough for the activations of a convolution to stay in a cache."""


class Dropout(nn.Module):
    """Inverted dropout (Srivastava et al., JMLR 15, 2014) drawn from a generator of its own.

    ``torch.nn.Dropout`` draws from the process's global generator, which would tie a replicate's
    bits to whatever else the process does.
    """

    def __init__(self, prob: float, generator: torch.Generator) -> None:
        super().__init__()
        self.prob = prob
        self.generator = generator

    def forward(self, inputs: Tensor) -> Tensor:
        """Zero each value with probability ``prob`` while training; the identity in evaluation."""
        return inputs * self.draw_mask(inputs) if self.training else inputs

    def draw_mask(self, inputs: Tensor) -> Tensor:
        """Factors for ``inputs``, of the same shape, dtype and device: 0 or 1 / (1 - prob)."""
        # Several times faster than bernoulli_, which draws in double precision.
        kept = torch.rand(inputs.shape, generator=self.generator) >= self.prob
        return kept.to(inputs.device, inputs.dtype).div_(1 - self.prob)


class ChannelsLastFlatten(nn.Module):
    """Flatten (n, channels, height, width) to (n, height * width * channels).

    In this order a tensor in torch's channels-last memory format is flattened without a copy.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """The values of each pixel side by side."""
        return inputs.permute(0, 2, 3, 1).flatten(1)


def configure_torch() -> None:
    """Set the arithmetic of this process: what every task does first.

    One thread gives the same bits on any number of cores, and on networks this small a second
    one gains nothing. Numbers below the smallest normal one, 1.2e-38, count as 0: Adam's moments of
    units that are never active fade into them, and a processor computes with them so slowly that
    n3_mlp took twice as long.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def build(network: Network, generator: torch.Generator | None = None) -> nn.Sequential:
    """The module of a network, from inputs in [0, 1] of shape (n, 28, 28) to logits (n, classes).

    After each layer: batch normalisation if declared, then ReLU, then (hidden layers only)
    dropout, drawn from ``generator``. Convolutions are 3x3 with stride 1 and padding 1, without
    pooling. The softmax that ends the report's networks belongs to the loss, and to what is served.
    Weights are PyTorch's default initialisation, from its global generator.
    """
    generator = generator or torch.Generator()
    side = isqrt(network.input_size)
    layers: list[nn.Module] = []
    features = network.input_size
    if network.conv_filters:
        layers.append(nn.Unflatten(1, (1, side)))
        for inputs, filters in zip((1, *network.conv_filters), network.conv_filters, strict=False):
            layers.append(nn.Conv2d(inputs, filters, kernel_size=3, padding=1))
            layers += [nn.BatchNorm2d(filters)] if network.batch_norm else []
            layers.append(nn.ReLU())
        features = network.conv_filters[-1] * side**2
    layers.append(ChannelsLastFlatten() if network.conv_filters else nn.Flatten())
    for size in network.hidden_sizes:
        layers.append(_linear(features, size))
        layers += [nn.BatchNorm1d(size)] if network.batch_norm else []
        layers.append(nn.ReLU())
        layers += [Dropout(network.dropout_prob, generator)] if network.dropout_prob else []
        features = size
    layers.append(_linear(features, network.num_classes))
    # Only convolutions have a memory format to choose; channels last is the faster one on a CPU.
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """torch's layer with its weight, (outputs, inputs), lying in memory as (inputs, outputs).

    A batch is multiplied by it in three quarters of the time.
    """
    layer = nn.Linear(inputs, outputs)
    layer.weight.data = layer.weight.data.t().contiguous().t()
    return layer


def restore(
    network: Network,
    weights: Mapping[str, Tensor],
    device: Device,
    generator: torch.Generator | None = None,
) -> nn.Sequential:
    """The module of a network with the weights of a state dict, which is copied.

    Draws no random numbers. Raises RuntimeError for weights of another network.
    """
    with torch.device("meta"):
        module = build(network, generator)
    module.to_empty(device=device)
    module.load_state_dict(weights)
    return module


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    """The module's state dict, on the CPU and in the plain memory layout that files want."""
    return {name: tensor.cpu().contiguous() for name, tensor in module.state_dict().items()}


def count_parameters(network: Network) -> int:
    """Trainable parameters of a network."""
    with torch.device("meta"):
        return sum(p.numel() for p in build(network).parameters() if p.requires_grad)


def pixels_to_inputs(images: Tensor) -> Tensor:
    """uint8 images of any shape -> float32 inputs in [0, 1] of that shape, for all networks."""
    return images * INPUT_SCALE


def autocast(device: Device, precision: Precision) -> torch.autocast:
    """The context in which a forward pass has the wanted precision."""
    return torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16")


@torch.inference_mode()
def infer(module: nn.Sequential, images: Tensor, precision: Precision = "float32") -> Tensor:
    """Logits, float32 of shape (n, classes), in evaluation mode; restores the module's mode."""
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
            rows.copy_(module(pixels_to_inputs(batch)))
    module.train(was_training)
    return logits
