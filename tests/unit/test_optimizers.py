"""The optimizers against torch's own, and their state across epochs."""

from dataclasses import replace

import pytest
import torch

from fashionbench.params import Hyperparameters, Optimizer
from fashionbench.training.optimizers import restore_optimizer

STEPS = 20


def torchs(hyperparameters: Hyperparameters, parameter: torch.Tensor) -> torch.optim.Optimizer:
    if hyperparameters.optimizer == "adam":
        return torch.optim.Adam([parameter], lr=hyperparameters.learning_rate)
    return torch.optim.SGD(
        [parameter],
        lr=hyperparameters.learning_rate,
        momentum=hyperparameters.momentum,
        nesterov=True,
    )


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_steps_are_torchs_own_also_after_a_pause(
    hyperparameters: Hyperparameters, name: Optimizer, decay: float
) -> None:
    how = replace(
        hyperparameters, optimizer=name, learning_rate=0.01, learning_rate_decay=decay, momentum=0.9
    )
    start = torch.randn(50, generator=torch.Generator().manual_seed(0))
    expected, ours = start.clone(), start.clone()
    optimizer, reference = restore_optimizer(how, ours, {}), torchs(how, expected)
    for step in range(STEPS):
        if step == STEPS // 2:
            optimizer = restore_optimizer(how, ours, optimizer.state())
        for group in reference.param_groups:
            group["lr"] = 0.01 / (1 + decay * step)
        expected.grad = expected.sin()
        optimizer.update(ours, ours.sin(), how)
        reference.step()
    torch.testing.assert_close(ours, expected)
    assert not torch.allclose(ours, start)
