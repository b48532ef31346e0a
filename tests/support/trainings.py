"""Small networks and trainings for unit tests."""

from typing import Any

from torch import nn

from fashionbench.data.examples import Examples
from fashionbench.params import Network
from fashionbench.pipeline.dependencies import Dependencies
from fashionbench.portable import kernels
from fashionbench.training import epoch as training
from fashionbench.training.epoch import Epoch, Replicate, State, initial_state, train_epoch


def network(**changes: Any) -> Network:
    """Declare a network without any regularisation, but for ``changes``."""
    plain = Network(
        name="tiny",
        shape=(28, 28),
        num_classes=10,
        conv_filters=(),
        pool=False,
        hidden_sizes=(16,),
        batch_norm=False,
        dropout_prob=0.0,
        l1_strength=0.0,
        l2_strength=0.0,
    )
    return Network(**{**plain.__dict__, **changes})


def parameters_of(module: nn.Module) -> int:
    """Count the trainable parameters of a module."""
    return sum(parameter.numel() for parameter in module.parameters())


def train_replicate(
    replicate: Replicate, train: Examples, val: Examples
) -> tuple[list[Epoch], State]:
    """Train from the first epoch to the last; return the curves and the state at the end."""
    state = initial_state(replicate)
    curves = []
    for epoch in range(1, replicate.hyperparameters.num_epochs + 1):
        row, state = train_epoch(replicate, epoch, state, train, val)
        curves.append(row)
    return curves, state


def made_up_epoch(seed: int, epoch: int, **changes: float) -> Epoch:
    """Return a row of the curves that nobody has trained, the same but for ``changes``."""
    values = dict.fromkeys(("train_objective", "train_loss", "val_loss"), 1.0)
    values |= dict.fromkeys(("train_accuracy", "val_accuracy"), 0.5)
    return Epoch(seed=seed, epoch=epoch, **values | changes)


def nothing_watched() -> Dependencies:
    """Return the dependencies of a training that has none."""
    return Dependencies(stage="train@tiny", files={}, params={})


def forget_kernels() -> None:
    """Forget which kernels this process has chosen, as a new one has not."""
    kernels.product_kernel.cache_clear()
    kernels.batch_kernel.cache_clear()
    kernels.convolution_kernel.cache_clear()
    kernels.choices.clear()
    # What is kept for the next epochs computes with kernels that were chosen.
    training._trainer.cache_clear()
