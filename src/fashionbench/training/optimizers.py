"""The optimizers, each a few operations on one vector that holds all parameters.

``torch.optim`` computes the same, but spends as long on its own bookkeeping. An optimizer's state
is a set of tensors, so that it can be saved after an epoch and restored before the next.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor

from fashionbench.params import Hyperparameters

PREFIX = "optimizer."
"""What the names of an optimizer's tensors begin with in the state of a training."""


@dataclass(frozen=True)
class Optimizer(ABC):
    """An optimizer of one vector; ``step`` counts its updates."""

    step: Tensor

    @classmethod
    @abstractmethod
    def start(cls, parameters: Tensor) -> Self:
        """Return the optimizer before its first update."""

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over what :meth:`state` returned; leave as it is what ``state`` does not have."""
        for field in fields(self):
            if (key := PREFIX + field.name) in state:
                getattr(self, field.name).copy_(state[key])

    def state(self) -> dict[str, Tensor]:
        """Return all tensors of the optimizer, on the CPU."""
        return {PREFIX + field.name: getattr(self, field.name).cpu() for field in fields(self)}

    @abstractmethod
    def update(
        self, parameters: Tensor, gradients: Tensor, hyperparameters: Hyperparameters
    ) -> None:
        """Take one step down the gradients, in place."""


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma and Ba, ICLR 2015) with torch's default betas and eps."""

    exp_avg: Tensor
    exp_avg_sq: Tensor

    @classmethod
    def start(cls, parameters: Tensor) -> Self:
        """Return Adam with moments of zero."""
        return cls(
            *(torch.zeros_like(tensor) for tensor in (parameters[0], parameters, parameters))
        )

    def update(
        self, parameters: Tensor, gradients: Tensor, hyperparameters: Hyperparameters
    ) -> None:
        """Take one step down the gradients, in place."""
        rate = _learning_rate(hyperparameters, self.step)
        self.step.add_(1)
        torch._fused_adam_(
            [parameters],
            [gradients],
            [self.exp_avg],
            [self.exp_avg_sq],
            [],
            [self.step],
            lr=rate,
            beta1=0.9,
            beta2=0.999,
            eps=1e-8,
            weight_decay=0,
            amsgrad=False,
            maximize=False,
        )


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent with Nesterov's momentum, as ``torch.optim.SGD`` has it.

    Formula: Sutskever et al., ICML 2013.
    """

    velocity: Tensor

    @classmethod
    def start(cls, parameters: Tensor) -> Self:
        """Return the optimizer at rest."""
        return cls(torch.zeros_like(parameters[0]), torch.zeros_like(parameters))

    def update(
        self, parameters: Tensor, gradients: Tensor, hyperparameters: Hyperparameters
    ) -> None:
        """Take one step down the gradients, in place."""
        rate = _learning_rate(hyperparameters, self.step)
        self.step.add_(1)
        self.velocity.mul_(hyperparameters.momentum).add_(gradients)
        parameters.add_(gradients, alpha=-rate)
        parameters.add_(self.velocity, alpha=-rate * hyperparameters.momentum)


def restore_optimizer(
    hyperparameters: Hyperparameters, parameters: Tensor, state: dict[str, Tensor]
) -> Optimizer:
    """Return the declared optimizer as of ``state``, or as before its first update."""
    optimizer = _OPTIMIZERS[hyperparameters.optimizer].start(parameters)
    optimizer.load(state)
    return optimizer


def _learning_rate(hyperparameters: Hyperparameters, step: Tensor) -> float:
    if not hyperparameters.learning_rate_decay:
        return hyperparameters.learning_rate
    return hyperparameters.learning_rate / (1 + hyperparameters.learning_rate_decay * step.item())


_OPTIMIZERS: dict[str, type[Optimizer]] = {"adam": Adam, "sgd": SGD}
