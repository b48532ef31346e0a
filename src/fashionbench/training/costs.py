"""What a network costs, memory too, and whether its bits are portable: counted on its passes."""

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import cast

import torch

from fashionbench.errors import ConfigError
from fashionbench.messages import counted
from fashionbench.networks import own
from fashionbench.networks.declared import build
from fashionbench.params import PORTABLE_OPTIMIZERS, Hyperparameters, Network, Params
from fashionbench.pipeline.machine import available_cores
from fashionbench.portable.operations import is_portable
from fashionbench.portable.step import derive_forward, derive_step
from fashionbench.portable.trace import Call, NotDerivableError, Value, record_forward, record_step

PORTABLE = "portable"
_LARGE = 100_000_000
"""Parameters."""
_BATCH = 4
"""Images on which operations are counted; they are in proportion to the images."""


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Trainable parameters, and 10^12 floating-point operations to train one replicate.

    ``bits`` is PORTABLE, or what makes them those of one kind of processor.
    """

    parameters: int
    train_teraflop: float
    bits: str = PORTABLE


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What is known of a network from its derived passes.

    Multiplications of a step and of a forward pass are per image; so is the number of ``kept``
    values, which the forward pass leaves for the backward pass. ``outside`` are the operations that
    have other bits on other kinds of processors, or the reason why there is no list of operations.
    """

    parameters: int
    step_products: int
    forward_products: int
    kept: int
    outside: tuple[str, ...]


def count(network: Network) -> Counted:
    """Count a network. Raises ConfigError for a module that cannot be made."""
    return _count(network, tuple(own.code_of(network).items()))


@lru_cache(maxsize=256)
def _count(network: Network, code: tuple[tuple[str, str], ...]) -> Counted:
    """Count a network whose module is made by files with these digests."""
    shapes = torch.device("meta") if _is_large(network) else nullcontext()
    with torch.random.fork_rng(devices=[]), shapes:
        torch.manual_seed(0)
        return _count_passes(network)


def _is_large(network: Network) -> bool:
    """Tell whether to count on shapes alone, since weights would take minutes or all memory.

    Otherwise weights are faster: torch imports for shapes what takes two seconds.
    """
    if network.module:
        return False  # A module of the user's own may need numbers.
    with torch.device("meta"):
        return sum(p.numel() for p in build(network).parameters()) > _LARGE


def _count_passes(network: Network) -> Counted:
    module = build(network)
    parameters = sum(p.numel() for p in module.parameters() if p.requires_grad)
    images = torch.rand(_BATCH, *network.shape)
    try:
        if network.module:
            # Raises for one that does other things with other images.
            derive_step(module.train(), images, images, lambda logits, _: logits)
            derive_forward(module.eval(), images)
        step = record_step(module.train(), images, images, lambda logits, _: logits)
        forward = record_forward(module.eval(), images)
    except NotDerivableError as error:
        return Counted(
            parameters=parameters,
            step_products=0,
            forward_products=0,
            kept=0,
            outside=(str(error),),
        )
    calls = (*step.calls, *forward.calls)
    end = next(i for i, call in enumerate(step.calls) if step.outputs in call.results)
    given = {value.root for value in (step.inputs, *step.parameters.values())}
    made = {value.root for call in step.calls[: end + 1] for value in call.results if value}
    kept = {
        value.root: prod(value.shape)
        for call in step.calls[end + 1 :]
        for value in call.read()
        if value.root in made - given
    }
    return Counted(
        parameters=parameters,
        step_products=_products(step.calls) // _BATCH,
        forward_products=_products(forward.calls) // _BATCH,
        kept=sum(kept.values()) // _BATCH,
        outside=tuple(sorted({call.name for call in calls if not is_portable(call.name)})),
    )


def forward_products(network: Network) -> int:
    """Count the multiplications of products and convolutions in a forward pass, per image."""
    return count(network).forward_products


def outside_of_the_table(network: Network, hyperparameters: Hyperparameters) -> tuple[str, ...]:
    """Return why a network's results have the bits of one kind of processor only; mostly nothing.

    Each reason is an operation, or what of the hyperparameters it is.
    """
    reasons = []
    if hyperparameters.device != "cpu":
        reasons.append(f"device {hyperparameters.device}")
    if hyperparameters.precision != "float32":
        reasons.append(f"precision {hyperparameters.precision}")
    if hyperparameters.optimizer not in PORTABLE_OPTIMIZERS:
        reasons.append(f"optimizer {hyperparameters.optimizer}")
    return (*reasons, *count(network).outside)


def count_costs(network: Network, hyperparameters: Hyperparameters, train_size: int) -> Costs:
    """Count a network's parameters and the operations of its matrix products and convolutions.

    ``train_size`` is in images per epoch. A multiplication and its addition are two operations.
    """
    counted = count(network)
    steps = 2 * counted.step_products * train_size * hyperparameters.num_epochs
    return Costs(
        parameters=counted.parameters,
        train_teraflop=steps / 1e12,
        bits=", ".join(outside_of_the_table(network, hyperparameters)) or PORTABLE,
    )


def _products(calls: Iterable[Call]) -> int:
    """Count the multiplications of matrix products and convolutions."""
    total = 0
    for call in calls:
        name, results = call.name, call.results
        if name == "aten.convolution.default":
            images, weight, transposed = call.args[0], call.args[1], call.args[6]
            total += _convolution(images if transposed else cast(Value, results[0]), weight)
        elif name == "aten.convolution_backward.default":
            gradient, images, weight, transposed = *call.args[:3], call.args[7]
            each = _convolution(images if transposed else gradient, weight)
            total += each * sum(call.args[-1][:2])
        elif name in ("aten.mm.default", "aten.addmm.default", "aten.bmm.default"):
            first = call.args[-2]
            total += prod(results[0].shape) * first.shape[-1] if results[0] else 0
    return total


def _convolution(pixels: Value, weight: Value) -> int:
    """Count those of a convolution, each of whose pixels meets each weight once."""
    return pixels.shape[0] * prod(pixels.shape[2:]) * prod(weight.shape)


_GIB = 2**30
_BYTES = 4
"""Size of a float32, the type of everything in training."""


def check_memory(params: Params, available: int) -> None:
    """Raise ConfigError if a network needs more bytes than are ``available``."""
    for name in params.networks:
        own = params.of(name)
        needed = needed_memory(own.network(name), own.batch_size, len(own.seeds))
        if needed > available:
            raise ConfigError(
                f"networks.{name}: training {min(len(own.seeds), available_cores())} of its "
                f"{counted(len(own.seeds), 'replicate')} at once needs at least "
                f"{needed / _GIB:,.1f} GiB of memory, and this machine has "
                f"{available / _GIB:,.1f}; use smaller layers, or fewer seeds at once "
                "(taskset -c 0 dvc repro)"
            )


def needed_memory(network: Network, batch_size: int, seeds: int) -> int:
    """Return the bytes that training a network takes at least, in all workers together.

    A worker holds ten arrays of the size of the parameters: weights, gradients and Adam's two
    moments to compute with, and weights and moments again as read from a checkpoint and as written
    to the next; and what the forward pass leaves for the backward pass.
    """
    counted = count(network)
    kept = batch_size * (network.input_size + counted.kept)
    workers = min(seeds, available_cores())
    return _BYTES * workers * (10 * counted.parameters + kept)
