"""The optimizer of all networks."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

PREFIX = "adam."
"""What the names of its tensors begin with in the state of a training."""


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba, ICLR 2015) of one vector, with torch's default betas and eps.

    ``torch.optim.Adam`` calls the same function, but spends as long on its own bookkeeping.
    """

    step: Tensor
    exp_avg: Tensor
    exp_avg_sq: Tensor

    @classmethod
    def restore(cls, state: dict[str, Tensor], parameters: Tensor) -> "Adam":
        """As it was when it gave ``state``; new if it is not there."""
        new = cls(*(torch.zeros_like(tensor) for tensor in (parameters[0], parameters, parameters)))
        for field in fields(new):
            if (key := PREFIX + field.name) in state:
                getattr(new, field.name).copy_(state[key])
        return new

    def state(self) -> dict[str, Tensor]:
        """What :meth:`restore` needs, on the CPU."""
        return {PREFIX + field.name: getattr(self, field.name).cpu() for field in fields(self)}

    def update(self, parameters: Tensor, gradients: Tensor, learning_rate: float) -> None:
        """One step down the gradients, in place."""
        self.step.add_(1)
        torch._fused_adam_(
            [parameters],
            [gradients],
            [self.exp_avg],
            [self.exp_avg_sq],
            [],
            [self.step],
            lr=learning_rate,
            beta1=0.9,
            beta2=0.999,
            eps=1e-8,
            weight_decay=0,
            amsgrad=False,
            maximize=False,
        )
