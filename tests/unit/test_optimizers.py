"""The optimizers and schedules against torch's own, and their state across epochs."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, MultiStepLR, OneCycleLR

from fashionbench import params
from fashionbench.params import Hyperparameters
from fashionbench.training.optimizers import Optimizer, learning_rate

PAUSED, STEPS = 20, 1000


def torchs(hyperparameters: Hyperparameters, parameter: torch.Tensor) -> torch.optim.Optimizer:
    options: dict[str, Any] = {
        "lr": hyperparameters.learning_rate,
        "weight_decay": hyperparameters.weight_decay,
    }
    if hyperparameters.optimizer == "sgd":
        options |= {"momentum": hyperparameters.momentum, "nesterov": True}
    classes = {name.lower(): found for name, found in vars(torch.optim).items()}
    found: torch.optim.Optimizer = classes[hyperparameters.optimizer]([parameter], **options)
    return found


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", get_args(params.Optimizer))
def test_steps_are_torchs_own_also_after_a_pause(
    hyperparameters: Hyperparameters, name: params.Optimizer, decay: float, weight_decay: float
) -> None:
    how = replace(
        hyperparameters,
        optimizer=name,
        learning_rate=0.01,
        learning_rate_decay=decay,
        momentum=0.9,
        weight_decay=weight_decay,
    )
    start = torch.randn(50, generator=torch.Generator().manual_seed(0))
    expected = start.clone()
    with torch.inference_mode():
        ours, gradients = start.clone(), torch.zeros(50)
    optimizer, reference = Optimizer(how, ours, gradients), torchs(how, expected)
    for step in range(PAUSED):
        if step == PAUSED // 2:
            saved = optimizer.state()
            with torch.inference_mode():
                optimizer = Optimizer(how, ours, gradients)
                optimizer.load(saved)
        for group in reference.param_groups:
            group["lr"] = 0.01 / (1 + decay * step)
        expected.grad = expected.sin()
        with torch.inference_mode():
            gradients.copy_(ours.sin())
            optimizer.update(PAUSED)
        reference.step()
    torch.testing.assert_close(ours, expected)
    assert not torch.allclose(ours, start)


def test_loading_nothing_starts_anew(hyperparameters: Hyperparameters) -> None:
    for name in get_args(params.Optimizer):
        how = replace(hyperparameters, optimizer=name)
        ends = []
        with torch.inference_mode():
            ours, gradients = torch.ones(5), torch.ones(5)
            optimizer = Optimizer(how, ours, gradients)
            for _ in range(2):
                optimizer.load({})
                ours.fill_(1)
                for _ in range(3):
                    optimizer.update(10)
                ends.append(ours.clone())
        assert torch.equal(*ends), name


SCHEDULERS: dict[params.Schedule, Callable[[torch.optim.Optimizer], LRScheduler]] = {
    "cosine": lambda sgd: CosineAnnealingLR(sgd, STEPS),
    "one_cycle": lambda sgd: OneCycleLR(sgd, 0.01, total_steps=STEPS),
    "step": lambda sgd: MultiStepLR(sgd, [STEPS // 2, 3 * STEPS // 4]),
}


@pytest.mark.parametrize("schedule", SCHEDULERS)
def test_schedules_are_torchs_own(
    hyperparameters: Hyperparameters, schedule: params.Schedule
) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.01)
    reference = SCHEDULERS[schedule](optimizer)
    how = replace(hyperparameters, learning_rate=0.01, schedule=schedule)
    # torch begins the second phase of a cycle one step earlier.
    tolerance = 5e-5 if schedule == "one_cycle" else 1e-11
    for step in range(STEPS):
        expected = reference.get_last_lr()[0]
        assert learning_rate(how, step, STEPS) == pytest.approx(expected, abs=tolerance)
        optimizer.step()
        reference.step()
