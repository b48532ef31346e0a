"""Check that this machine has the memory that the networks of params.yaml need."""

from fashionbench.errors import ConfigError
from fashionbench.messages import counted
from fashionbench.params import Network, Params
from fashionbench.pipeline.machine import available_cores
from fashionbench.training.costs import count

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
