"""What training minimises and what is reported of it."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fashionbench.params import LossInput


@dataclass(frozen=True)
class Score:
    """Means over a set of images: cross-entropy in nats, and the share that is classified right."""

    loss: float
    accuracy: float


def cross_entropy(logits: Tensor, labels: Tensor, loss_input: LossInput) -> Tensor:
    """Mean cross-entropy of logits (n, classes) for int64 labels (n,).

    The textbook loss gives the function the logits. The report's losses are only possible if it
    was given the softmax outputs, which it normalises once more: the loss of a certain and right
    answer is then log(e + 9) - 1 = 1.4612 and not 0.
    """
    return F.cross_entropy(
        logits.softmax(dim=1) if loss_input == "probabilities" else logits, labels
    )


def penalty(parameters: Iterable[nn.Parameter], l1_strength: float, l2_strength: float) -> Tensor:
    """l1_strength * sum |p| + l2_strength * sum p^2, over all the parameters; a scalar."""
    total = torch.zeros(())
    for parameter in parameters:
        if l1_strength:
            total = total + l1_strength * parameter.abs().sum()
        if l2_strength:
            total = total + l2_strength * parameter.square().sum()
    return total


def score(logits: Tensor, labels: Tensor, loss_input: LossInput) -> Score:
    """The reported loss, without any penalty so that networks compare, and the accuracy."""
    return Score(
        # In float64: a mean over 50,000 float32 losses would lose digits that curves show.
        loss=cross_entropy(logits.double(), labels, loss_input).item(),
        accuracy=(logits.argmax(dim=1) == labels).double().mean().item(),
    )
