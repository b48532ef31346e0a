"""Layers that torch has not in the form that is needed here."""

import torch
from torch import Tensor, nn


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
