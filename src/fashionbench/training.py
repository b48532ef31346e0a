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

from fashionbench.errors import TrainingError
from fashionbench.losses import Score, cross_entropy, penalty, score
from fashionbench.networks import Examples, autocast, build, infer, logits_table, restore
from fashionbench.params import Hyperparameters, Network

State = dict[str, Tensor]
"""All that an epoch hands to the next: weights, and the optimizer's moments under ``adam.``."""

_OPTIMIZER = "adam."


class _Purpose(IntEnum):
    """What random numbers are for; each purpose has a stream of its own."""

    WEIGHTS = 0
    ORDER = 1
    DROPOUT = 2


@dataclass(frozen=True, kw_only=True)
class Replicate:
    """One training: which network, how it is trained, and the seed of all its random numbers."""

    network: Network
    how: Hyperparameters
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


def train_replicate(
    replicate: Replicate, train: Examples, val: Examples
) -> tuple[list[Epoch], State]:
    """Train from the first epoch to the last: the curves, and the state at the end."""
    state = initial_state(replicate)
    curves = []
    for epoch in range(1, replicate.how.num_epochs + 1):
        row, state = train_epoch(replicate, epoch, state, train, val)
        curves.append(row)
    return curves, state


def initial_state(replicate: Replicate) -> State:
    """The state before the first epoch: PyTorch's default initialisation, drawn from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_stream(replicate.seed, _Purpose.WEIGHTS))
        return dict(build(replicate.network).state_dict())


def train_epoch(
    replicate: Replicate, epoch: int, state: State, train: Examples, val: Examples
) -> tuple[Epoch, State]:
    """One pass over the training images in a random order, then a look at the validation ones.

    ``epoch`` counts from 1. Returns a row of the curves and the state for the next epoch; ``state``
    itself is left as it was. Raises TrainingError if the loss is no longer a finite number.
    """
    how, seed = replicate.how, replicate.seed
    dropout = _generator(seed, _Purpose.DROPOUT, epoch)
    module = restore(replicate.network, weights(state), how.device, dropout)
    optimizer = torch.optim.Adam(module.parameters(), lr=how.learning_rate, fused=True)
    _restore_moments(state, module, optimizer)

    order = torch.randperm(len(train.labels), generator=_generator(seed, _Purpose.ORDER, epoch))
    trained, extra = _train(replicate, module, optimizer, train, order)
    validated = score(infer(module, val.inputs, how.precision), val.labels, how.loss_input)
    if not np.isfinite([trained.loss, extra, validated.loss]).all():
        raise TrainingError(
            f"{replicate.network.name} seed {seed}: the loss of epoch {epoch} is not a finite "
            f"number; lower learning_rate = {how.learning_rate}"
        )
    row = Epoch(
        seed=seed,
        epoch=epoch,
        train_objective=trained.loss + extra,
        train_loss=trained.loss,
        train_accuracy=trained.accuracy,
        val_loss=validated.loss,
        val_accuracy=validated.accuracy,
    )
    return row, _collect(module, optimizer)


def _train(
    replicate: Replicate,
    module: nn.Sequential,
    optimizer: torch.optim.Optimizer,
    train: Examples,
    order: Tensor,
) -> tuple[Score, float]:
    """One step a batch, in the order given: the running score, and the mean penalty of a step."""
    network, how = replicate.network, replicate.how
    batches = order.split(how.batch_size)
    # Scored together at the end: on networks this small, scores per step would cost a third of it.
    all_logits = logits_table(module, train.inputs)
    penalties = torch.zeros(len(batches), device=all_logits.device)
    for batch, kept_logits, kept_penalty in zip(
        map(train.take, batches), all_logits.split(how.batch_size), penalties, strict=True
    ):
        with autocast(how.device, how.precision):
            logits = module(batch.inputs)
        objective = cross_entropy(logits.float(), batch.labels, how.loss_input)
        if network.l1_strength or network.l2_strength:
            extra = penalty(module.parameters(), network.l1_strength, network.l2_strength)
            objective = objective + extra
            kept_penalty.copy_(extra.detach())
        optimizer.zero_grad()
        objective.backward()
        optimizer.step()
        kept_logits.copy_(logits.detach())
    labels = train.labels.index_select(0, order.to(train.labels.device))
    return score(all_logits, labels, how.loss_input), penalties.double().mean().item()


def weights(state: State) -> State:
    """The part of a state that is kept when training has ended: the module's state dict."""
    return {name: tensor for name, tensor in state.items() if not name.startswith(_OPTIMIZER)}


def _restore_moments(state: State, module: nn.Module, optimizer: torch.optim.Adam) -> None:
    for name, parameter in module.named_parameters():
        for moment in ("step", "exp_avg", "exp_avg_sq"):
            if (key := f"{_OPTIMIZER}{name}.{moment}") in state:
                saved = state[key].to(parameter.device, copy=True)
                # Fused Adam walks parameter and moments together: they need one memory layout.
                if saved.shape == parameter.shape:
                    saved = torch.empty_like(parameter, requires_grad=False).copy_(saved)
                optimizer.state[parameter][moment] = saved


def _collect(module: nn.Module, optimizer: torch.optim.Adam) -> State:
    state = {name: tensor.detach() for name, tensor in module.state_dict().items()}
    for name, parameter in module.named_parameters():
        for moment, tensor in optimizer.state[parameter].items():
            state[f"{_OPTIMIZER}{name}.{moment}"] = tensor
    return {name: tensor.cpu().contiguous() for name, tensor in state.items()}


def _stream(seed: int, purpose: _Purpose, epoch: int = 0) -> int:
    """An independent 64-bit seed (numpy.random.SeedSequence) for each (seed, purpose, epoch)."""
    sequence = np.random.SeedSequence([seed, purpose, epoch])
    return int(sequence.generate_state(1, np.uint64)[0])


def _generator(seed: int, purpose: _Purpose, epoch: int) -> torch.Generator:
    # On the CPU, so that a GPU sees the same order and the same dropout.
    return torch.Generator().manual_seed(_stream(seed, purpose, epoch))
