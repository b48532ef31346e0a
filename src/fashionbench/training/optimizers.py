"""Optimizers and learning-rate schedules, on one vector that holds all parameters.

``torch.optim`` computes the same as what is written out here, but spends as long on its own
bookkeeping. Optimizers that are not written out are torch's. An optimizer's state is a set of
tensors, so that it can be saved after an epoch and restored before the next.
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from fashionbench.params import Hyperparameters, Schedule

PREFIX = "optimizer."
"""What the names of an optimizer's tensors begin with in the state of a training."""
_DECAYS = ((0.5, 0.1), (0.75, 0.01))
"""Of the schedule ``step``: from which share of the steps on, which share of the learning rate."""
_DIGITS = 12
"""Significant digits of a learning rate: the last ones of a cosine depend on the library."""

Update = Callable[[Tensor, Tensor, Mapping[str, Tensor], float, Hyperparameters], None]
"""Takes one step down the gradients, in place, given parameters, gradients, the tensors of the
state, the learning rate and the other hyperparameters."""


def learning_rate(hyperparameters: Hyperparameters, step: int, steps: int) -> float:
    """Return the learning rate of a step, counted from 0, of a training of so many steps."""
    share = _SCHEDULES[hyperparameters.schedule](step / steps)
    decay = 1 + hyperparameters.learning_rate_decay * step
    if share == 1:
        return hyperparameters.learning_rate / decay
    return float(f"{hyperparameters.learning_rate * share / decay:.{_DIGITS}g}")


class Optimizer:
    """An optimizer of one vector, which it changes in place."""

    def __init__(
        self, hyperparameters: Hyperparameters, parameters: Tensor, gradients: Tensor
    ) -> None:
        """Start before the first of so many updates; gradients are read at each."""
        self._hyperparameters = hyperparameters
        self._parameters, self._gradients = parameters, gradients
        names, self._update = _WRITTEN_OUT.get(hyperparameters.optimizer, _TORCHS)
        self._state = {name: torch.zeros_like(parameters) for name in names}
        self._step = torch.zeros_like(parameters[0])
        if self._update is None:
            self._torchs = _torchs(hyperparameters, parameters, gradients)

    def update(self, steps: int) -> None:
        """Take one step of a training of so many steps."""
        hyperparameters = self._hyperparameters
        rate = hyperparameters.learning_rate
        if hyperparameters.schedule != "constant" or hyperparameters.learning_rate_decay:
            rate = learning_rate(hyperparameters, int(self._step.item()), steps)
        self._step.add_(1)
        if self._update:
            self._update(
                self._parameters,
                self._gradients,
                self._state | {"step": self._step},
                rate,
                hyperparameters,
            )
            return
        for group in self._torchs.param_groups:
            group["lr"] = rate
        self._torchs.step()

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over what :meth:`state` returned, or start anew if ``state`` has nothing of it."""
        saved = {
            name.removeprefix(PREFIX): tensor
            for name, tensor in state.items()
            if name.startswith(PREFIX)
        }
        for name, tensor in (self._state | {"step": self._step}).items():
            tensor.copy_(saved.pop(name)) if name in saved else tensor.zero_()
        if self._update is None:
            self._torchs.state.clear()
            if saved:
                own = {name: tensor.clone() for name, tensor in saved.items()}
                # Counts are called as the vector's own: both are "step" in torch's state.
                self._torchs.state[self._parameters] = {
                    name.removeprefix("torch_"): tensor for name, tensor in own.items()
                }

    def state(self) -> dict[str, Tensor]:
        """Return a copy of all tensors of the optimizer, on the CPU."""
        tensors = self._state | {"step": self._step}
        if self._update is None:
            kept = self._torchs.state.get(self._parameters, {})
            tensors |= {f"torch_{name}": torch.as_tensor(value) for name, value in kept.items()}
        return {PREFIX + name: tensor.cpu().clone() for name, tensor in tensors.items()}


def _fused_adam(
    parameters: Tensor,
    gradients: Tensor,
    state: Mapping[str, Tensor],
    rate: float,
    hyperparameters: Hyperparameters,
) -> None:
    """Adam (Kingma and Ba, ICLR 2015) or AdamW (Loshchilov and Hutter, ICLR 2019)."""
    fused = torch._fused_adam_ if hyperparameters.optimizer == "adam" else torch._fused_adamw_
    fused(
        [parameters],
        [gradients],
        [state["exp_avg"]],
        [state["exp_avg_sq"]],
        [],
        [state["step"]],
        lr=rate,
        beta1=0.9,
        beta2=0.999,
        eps=1e-8,
        weight_decay=hyperparameters.weight_decay,
        amsgrad=False,
        maximize=False,
    )


def _sgd(
    parameters: Tensor,
    gradients: Tensor,
    state: Mapping[str, Tensor],
    rate: float,
    hyperparameters: Hyperparameters,
) -> None:
    """Gradient descent with Nesterov's momentum (Sutskever et al., ICML 2013), as torch has it."""
    if hyperparameters.weight_decay:
        gradients = gradients.add(parameters, alpha=hyperparameters.weight_decay)
    state["velocity"].mul_(hyperparameters.momentum).add_(gradients)
    parameters.add_(gradients, alpha=-rate)
    parameters.add_(state["velocity"], alpha=-rate * hyperparameters.momentum)


_MOMENTS = ("exp_avg", "exp_avg_sq")
_WRITTEN_OUT: Mapping[str, tuple[tuple[str, ...], Update | None]] = {
    "adam": (_MOMENTS, _fused_adam),
    "adamw": (_MOMENTS, _fused_adam),
    "sgd": (("velocity",), _sgd),
}
"""For each optimizer the names of its vectors, all zero at first, and its update."""
_TORCHS: tuple[tuple[str, ...], Update | None] = ((), None)


def _torchs(
    hyperparameters: Hyperparameters, parameters: Tensor, gradients: Tensor
) -> torch.optim.Optimizer:
    classes = {name.lower(): found for name, found in vars(torch.optim).items()}
    optimizer: torch.optim.Optimizer = classes[hyperparameters.optimizer](
        [parameters], lr=hyperparameters.learning_rate, weight_decay=hyperparameters.weight_decay
    )
    parameters.grad = gradients
    return optimizer


def _one_cycle(done: float) -> float:
    """Smith and Topin, 2017 (arXiv 1708.07120), with the defaults of torch's OneCycleLR."""
    lowest, rising = 1 / 25, 0.3
    if done < rising:
        return lowest + (1 - lowest) * _half_wave(1 - done / rising)
    return lowest / 1e4 + (1 - lowest / 1e4) * _half_wave((done - rising) / (1 - rising))


def _half_wave(done: float) -> float:
    return (1 + math.cos(math.pi * done)) / 2


_SCHEDULES: Mapping[Schedule, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    # Loshchilov and Hutter, ICLR 2017, without restarts.
    "cosine": _half_wave,
    # He et al., CVPR 2016, section 4.2.
    "step": lambda done: min([1.0, *(share for start, share in _DECAYS if done >= start)]),
    "one_cycle": _one_cycle,
}
"""Shares of the learning rate, by the share of the steps that are done."""
