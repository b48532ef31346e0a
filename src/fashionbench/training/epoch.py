"""One replicate: one training of one network with one seed, as a function without side effects.

Nothing here knows of files, parameters' files or trackers. All random numbers come from generators
seeded by (seed, purpose, epoch), so an epoch needs nothing but the state before it: a replicate can
move between processes, stop and go on, and keeps its bits.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor, nn

from fashionbench.data.examples import Examples
from fashionbench.errors import DivergedError
from fashionbench.params import Hyperparameters, Network
from fashionbench.training.adam import PREFIX, Adam
from fashionbench.training.backprop import TrainingNetwork
from fashionbench.training.losses import Score, add_penalty, loss_gradient, score
from fashionbench.training.networks import build, infer, pixels_to_inputs, restore, weights_of

State = dict[str, Tensor]
"""All that an epoch hands to the next: weights, and :class:`Adam`'s moments under ``adam.``."""


class Purpose(IntEnum):
    """What random numbers are for; each purpose has a stream of its own."""

    WEIGHTS = 0
    ORDER = 1
    DROPOUT = 2


@dataclass(frozen=True, kw_only=True)
class Replicate:
    """One training: which network, how it is trained, and the seed of all its random numbers."""

    network: Network
    hyperparameters: Hyperparameters
    seed: int


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One row of a learning curve.

    The train figures are means over the epoch while the weights moved and dropout was on, as in
    the report; ``train_objective`` is the train loss with the penalty. The validation figures are
    taken after the epoch, in evaluation mode. Losses in nats, accuracies as shares.
    """

    seed: int
    epoch: int
    train_objective: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float


def initial_state(replicate: Replicate) -> State:
    """The state before the first epoch: PyTorch's default initialisation, drawn from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_stream(replicate.seed, Purpose.WEIGHTS))
        return weights_of(build(replicate.network))


@torch.inference_mode()
def train_epoch(
    replicate: Replicate, epoch: int, state: State, train: Examples, val: Examples
) -> tuple[Epoch, State]:
    """One pass over the training images in a random order, then a look at the validation ones.

    ``epoch`` counts from 1. Returns a row of the curves and the state for the next epoch; ``state``
    itself is left as it was. Raises DivergedError if the loss is no longer a finite number.
    """
    hyperparameters, seed = replicate.hyperparameters, replicate.seed
    dropout = random_numbers(seed, Purpose.DROPOUT, epoch)
    module = restore(replicate.network, weights(state), hyperparameters.device, dropout)
    network = TrainingNetwork(module, hyperparameters.precision)
    adam = Adam.restore(state, network.parameters)

    order = torch.randperm(len(train.labels), generator=random_numbers(seed, Purpose.ORDER, epoch))
    order = order.to(hyperparameters.device)
    trained, extra = _train(replicate, network, adam, train, order)
    validated = score(
        infer(module, val.images, hyperparameters.precision), val.labels, hyperparameters.loss_input
    )
    if not np.isfinite([trained.loss, extra, validated.loss]).all():
        raise DivergedError(f"the loss of epoch {epoch} is not a finite number")
    row = Epoch(
        seed=seed,
        epoch=epoch,
        train_objective=trained.loss + extra,
        train_loss=trained.loss,
        train_accuracy=trained.accuracy,
        val_loss=validated.loss,
        val_accuracy=validated.accuracy,
    )
    return row, weights_of(module) | adam.state()


def _train(
    replicate: Replicate, network: TrainingNetwork, adam: Adam, train: Examples, order: Tensor
) -> tuple[Score, float]:
    """One step a batch, in the order given: the running score, and the mean penalty of a step."""
    hyperparameters, strengths = (
        replicate.hyperparameters,
        (replicate.network.l1_strength, replicate.network.l2_strength),
    )
    labels = train.labels.index_select(0, order)
    targets = nn.functional.one_hot(labels, replicate.network.num_classes).float()
    # Scored together at the end: on networks this small, scores per step would cost a third of it.
    logits_table = torch.empty_like(targets)
    batches = [table.split(hyperparameters.batch_size) for table in (order, targets, logits_table)]
    penalties = torch.zeros(len(batches[0]), device=targets.device)
    for chosen, wanted, kept_logits, kept_penalty in zip(*batches, penalties, strict=True):
        images = train.images.index_select(0, chosen)
        logits = network.forward(pixels_to_inputs(images))
        network.backward(loss_gradient(logits, wanted, hyperparameters.loss_input))
        if any(strengths):
            kept_penalty.copy_(add_penalty(network.gradients, network.parameters, *strengths))
        adam.update(network.parameters, network.gradients, hyperparameters.learning_rate)
        kept_logits.copy_(logits)
    return score(logits_table, labels, hyperparameters.loss_input), penalties.double().mean().item()


def weights(state: State) -> State:
    """The part of a state that is kept when training has ended: the module's state dict."""
    return {name: tensor for name, tensor in state.items() if not name.startswith(PREFIX)}


def _stream(seed: int, purpose: Purpose, epoch: int = 0) -> int:
    """An independent 64-bit seed (numpy.random.SeedSequence) for each (seed, purpose, epoch)."""
    sequence = np.random.SeedSequence([seed, purpose, epoch])
    return int(sequence.generate_state(1, np.uint64)[0])


def random_numbers(seed: int, purpose: Purpose, epoch: int) -> torch.Generator:
    """The generator of an epoch for one purpose; on the CPU, so that a GPU sees the same."""
    return torch.Generator().manual_seed(_stream(seed, purpose, epoch))
