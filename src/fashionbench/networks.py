"""From the declaration of a network to a torch module, and how such a module is run."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from fashionbench.params import Device, Network, Precision

WHITE = 255.0
"""The largest pixel value of the uint8 images."""
INFERENCE_BATCH = 64
"""Images in one forward pass outside training. Perceptrons would gain a little from more, but the
activations of n8_conv would then be too large for malloc to keep, and take twice as long."""


@dataclass(frozen=True)
class Examples:
    """Inputs in [0, 1], float32 of shape (n, 28, 28), and labels, int64 of shape (n,)."""

    inputs: Tensor
    labels: Tensor

    def take(self, indices: Tensor) -> "Examples":
        """Those at ``indices``, int64 of shape (m,), in that order."""
        indices = indices.to(self.labels.device)
        return Examples(self.inputs.index_select(0, indices), self.labels.index_select(0, indices))


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
        if not self.training:
            return inputs
        kept = torch.empty(inputs.shape).bernoulli_(1 - self.prob, generator=self.generator)
        return inputs * kept.to(inputs.device).div_(1 - self.prob)


class Classifier(nn.Module):
    """What is served: raw pixels in, class probabilities out.

    Takes float32 images of shape (n, 28, 28) with values 0 to 255 and returns float32
    probabilities of shape (n, num_classes).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """The softmax that ends every network of the report."""
        return cast(Tensor, self.network(images / WHITE)).softmax(dim=1)


def build(network: Network, generator: torch.Generator | None = None) -> nn.Sequential:
    """The module of a network, from inputs in [0, 1] of shape (n, 28, 28) to logits (n, classes).

    After each layer: batch normalisation if declared, then ReLU, then (hidden layers only)
    dropout, drawn from ``generator``. Convolutions are 3x3 with stride 1 and padding 1, without
    pooling. The softmax that ends the report's networks belongs to the loss and to
    :class:`Classifier`. Weights are PyTorch's default initialisation, from its global generator.
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
    layers.append(nn.Flatten())
    for size in network.hidden_sizes:
        layers.append(nn.Linear(features, size))
        layers += [nn.BatchNorm1d(size)] if network.batch_norm else []
        layers.append(nn.ReLU())
        layers += [Dropout(network.dropout_prob, generator)] if network.dropout_prob else []
        features = size
    layers.append(nn.Linear(features, network.num_classes))
    # Only convolutions have a memory format to choose; channels last is the faster one on a CPU.
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


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


def count_parameters(network: Network) -> int:
    """Trainable parameters of a network."""
    with torch.device("meta"):
        return sum(p.numel() for p in build(network).parameters() if p.requires_grad)


def pixels_to_inputs(images: npt.NDArray[np.uint8], device: Device) -> Tensor:
    """uint8 images of any shape -> float32 inputs in [0, 1] of that shape, for all networks."""
    return torch.from_numpy(images).to(device).float().div_(WHITE)


def autocast(device: Device, precision: Precision) -> torch.autocast:
    """The context in which a forward pass has the wanted precision."""
    return torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16")


@torch.inference_mode()
def infer(module: nn.Sequential, inputs: Tensor, precision: Precision = "float32") -> Tensor:
    """Logits, float32 of shape (n, classes), in evaluation mode; restores the module's mode."""
    was_training = module.training
    module.eval()
    logits = logits_table(module, inputs)
    with autocast(cast(Device, inputs.device.type), precision):
        for rows, batch in zip(
            logits.split(INFERENCE_BATCH), inputs.split(INFERENCE_BATCH), strict=True
        ):
            rows.copy_(module(batch))
    module.train(was_training)
    return logits


def logits_table(module: nn.Sequential, inputs: Tensor) -> Tensor:
    """Room for the logits of ``inputs``: float32 of shape (n, classes), not yet filled.

    Made beforehand since small tensors kept between large ones that come and go leave holes in the
    heap: kept batch by batch, the logits of n8_conv cost up to a gigabyte.
    """
    classes = cast(nn.Linear, module[-1]).out_features
    return torch.empty(len(inputs), classes, device=inputs.device)
