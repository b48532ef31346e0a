"""The loss that training minimises, its penalties, and the scores that are reported."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fashionbench.params import LossInput
from fashionbench.portable.arithmetic import dot


@dataclass(frozen=True)
class Score:
    """Means over a set of images: cross-entropy in nats, and accuracy from 0 to 1."""

    loss: float
    accuracy: float


def score(logits: Tensor, labels: Tensor, loss_input: LossInput) -> Score:
    """Score logits (n, classes) against int64 labels (n,), without any penalty.

    The loss is the mean cross-entropy. By the textbook that function takes logits. The report's
    losses are only possible if it was given the softmax outputs, which it normalises once more: the
    loss of a certain and correct answer is then log(e + 9) - 1 = 1.4612 instead of 0.
    """
    by_class = _by_class(logits)
    given = by_class.softmax(dim=0) if loss_input == "probabilities" else by_class
    log_likelihood = given.log_softmax(dim=0).gather(0, labels.unsqueeze(0))
    return Score(
        # In float64: a sum of 50,000 float32 losses would lose digits that the curves show.
        loss=-log_likelihood.mean(dtype=torch.float64).item(),
        accuracy=(logits.argmax(dim=1) == labels).mean(dtype=torch.float64).item(),
    )


def loss_gradient(logits: Tensor, targets: Tensor, loss_input: LossInput) -> Tensor:
    """Return the gradient of the mean cross-entropy for the logits, float32 (n, classes).

    ``targets`` are one-hot labels, float32 (n, classes). For the textbook's loss the gradient is
    (softmax(logits) - targets) / n. For the report's it is the same of the softmax outputs, taken
    back through the first softmax.
    """
    by_class = _by_class(logits)
    probabilities = by_class.softmax(dim=0)
    if loss_input == "logits":
        return probabilities.sub_(targets.t()).div_(len(logits)).t()
    gradient = probabilities.softmax(dim=0).sub_(targets.t()).div_(len(logits))
    # What autograd calls for a softmax: p * (g - sum(p * g)).
    return torch._softmax_backward_data(gradient, probabilities, 0, gradient.dtype).t()


def add_penalty(
    gradients: Tensor, parameters: Tensor, l1_strength: float, l2_strength: float
) -> Tensor:
    """Return l1_strength * sum |p| + l2_strength * sum p^2 over a vector of parameters, a scalar.

    Adds its gradient to ``gradients``; that of |p| at 0 is taken as 0.
    """
    total = torch.zeros((), device=parameters.device)
    if l1_strength:
        signs = parameters.sign()
        total += l1_strength * dot(signs, parameters)
        gradients.add_(signs, alpha=l1_strength)
    if l2_strength:
        total += l2_strength * dot(parameters, parameters)
        gradients.add_(parameters, alpha=2 * l2_strength)
    return total


def _by_class(logits: Tensor) -> Tensor:
    # torch vectorises a softmax over the first dimension, but not one over rows of ten values.
    return logits.t().contiguous()
