"""One epoch of one replicate, as a function without side effects.

A replicate is one training of one network with one seed. Nothing here reads files, parameter files
or trackers. All random numbers come from generators seeded by (seed, purpose, epoch), so an epoch
needs only the state before it: a replicate can move between processes, stop and resume without
changing a bit.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor, nn

from fashionbench.data.examples import Examples
from fashionbench.errors import DivergedError
from fashionbench.params import Hyperparameters, Network
from fashionbench.training.backprop import TrainingNetwork
from fashionbench.training.losses import Score, add_penalty, loss_gradient, score
from fashionbench.training.networks import build, infer, pixels_to_inputs, restore, weights_of
from fashionbench.training.optimizers import PREFIX, Optimizer, restore_optimizer

State = dict[str, Tensor]
"""All that one epoch hands to the next: weights and, under ``optimizer.``, its tensors."""


class Purpose(IntEnum):
    """What random numbers are used for; each purpose has its own stream."""

    WEIGHTS = 0
    ORDER = 1
    DROPOUT = 2


@dataclass(frozen=True, kw_only=True)
class Replicate:
    """One training: the network, how it is trained, and the seed of all its random numbers."""

    network: Network
    hyperparameters: Hyperparameters
    seed: int


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One row of a learning curve.

    The train figures are means over the epoch, while the weights change and dropout is on, as in
    the report; ``train_objective`` is the train loss with the penalty. The validation figures are
    taken after the epoch, in evaluation mode. Losses are in nats, accuracies from 0 to 1.
    """

    seed: int
    epoch: int
    train_objective: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float


def initial_state(replicate: Replicate) -> State:
    """Return the state before the first epoch: weights drawn from the replicate's seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_stream(replicate.seed, Purpose.WEIGHTS))
        return weights_of(build(replicate.network, replicate.hyperparameters.initialisation))


@torch.inference_mode()
def train_epoch(
    replicate: Replicate, epoch: int, state: State, train: Examples, val: Examples
) -> tuple[Epoch, State]:
    """Train on all images once, in a random order, then score the validation images.

    ``epoch`` counts from 1. Returns a row of the curves and the state for the next epoch, and
    leaves ``state`` unchanged. Raises DivergedError if a loss is not a finite number.
    """
    hyperparameters, seed = replicate.hyperparameters, replicate.seed
    dropout = random_numbers(seed, Purpose.DROPOUT, epoch)
    module = restore(replicate.network, weights(state), hyperparameters.device, dropout)
    network = TrainingNetwork(module, hyperparameters.precision)
    optimizer = restore_optimizer(hyperparameters, network.parameters, state)

    order = torch.randperm(len(train.labels), generator=random_numbers(seed, Purpose.ORDER, epoch))
    order = order.to(hyperparameters.device)
    trained, penalty = _train(replicate, network, optimizer, train, order)
    logits = infer(module, val.images, hyperparameters.precision)
    validated = score(logits, val.labels, hyperparameters.loss_input)
    if not np.isfinite([trained.loss, penalty, validated.loss]).all():
        raise DivergedError(f"the loss of epoch {epoch} is not a finite number")
    row = Epoch(
        seed=seed,
        epoch=epoch,
        train_objective=trained.loss + penalty,
        train_loss=trained.loss,
        train_accuracy=trained.accuracy,
        val_loss=validated.loss,
        val_accuracy=validated.accuracy,
    )
    return row, weights_of(module) | optimizer.state()


def _train(
    replicate: Replicate,
    network: TrainingNetwork,
    optimizer: Optimizer,
    train: Examples,
    order: Tensor,
) -> tuple[Score, float]:
    """Take one step per batch, in the given order; return the running score and mean penalty."""
    hyperparameters = replicate.hyperparameters
    strengths = replicate.network.l1_strength, replicate.network.l2_strength
    labels = train.labels.index_select(0, order)
    targets = nn.functional.one_hot(labels, replicate.network.num_classes).float()
    # Scored together at the end: on networks this small, scores per step would cost a third of it.
    all_logits = torch.empty_like(targets)
    batches = [table.split(hyperparameters.batch_size) for table in (order, targets, all_logits)]
    penalties = torch.zeros(len(batches[0]), device=targets.device)
    # In one place for all steps, so that products need not look again where their operands lie.
    inputs = torch.empty(hyperparameters.batch_size, *train.images.shape[1:], device=targets.device)
    for chosen, wanted, kept_logits, penalty in zip(*batches, penalties, strict=True):
        images = train.images.index_select(0, chosen)
        logits = network.forward(pixels_to_inputs(images, out=inputs[: len(images)]))
        network.backward(loss_gradient(logits, wanted, hyperparameters.loss_input))
        if any(strengths):
            penalty.copy_(add_penalty(network.gradients, network.parameters, *strengths))
        optimizer.update(network.parameters, network.gradients, hyperparameters)
        kept_logits.copy_(logits)
    return score(all_logits, labels, hyperparameters.loss_input), penalties.double().mean().item()


def weights(state: State) -> State:
    """Return the part of a state that is kept after training: the module's state dict."""
    return {name: tensor for name, tensor in state.items() if not name.startswith(PREFIX)}


def _stream(seed: int, purpose: Purpose, epoch: int = 0) -> int:
    """Return an independent 64-bit seed for each (seed, purpose, epoch).

    Derived by numpy.random.SeedSequence.
    """
    sequence = np.random.SeedSequence([seed, purpose, epoch])
    return int(sequence.generate_state(1, np.uint64)[0])


def random_numbers(seed: int, purpose: Purpose, epoch: int) -> torch.Generator:
    """Return an epoch's generator for one purpose; on the CPU, so that a GPU sees the same."""
    return torch.Generator().manual_seed(_stream(seed, purpose, epoch))
