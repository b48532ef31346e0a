"""One epoch of one replicate, as a function without side effects.

A replicate is one training of one network with one seed. Nothing here reads files, parameter files
or trackers. All random numbers come from generators seeded by (seed, purpose, epoch), so an epoch
needs only the state before it: a replicate can move between processes, stop and resume without
changing a bit.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from fashionbench.data.examples import Examples
from fashionbench.errors import DivergedError
from fashionbench.networks import own
from fashionbench.networks.declared import build, weights_of
from fashionbench.networks.forward import autocast, infer, pixels_to_inputs
from fashionbench.params import Hyperparameters, Network
from fashionbench.portable.plain import Pass
from fashionbench.portable.step import Vectors, training_step
from fashionbench.training.losses import Score, add_penalty, loss_gradient, score
from fashionbench.training.optimizers import PREFIX, Optimizer

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
    # A process that lives long may meet a network whose code has changed.
    code = tuple(own.code_of(replicate.network).items())
    trainer = _trainer(replicate.network, hyperparameters, code)
    trainer.load(state, _stream(seed, Purpose.DROPOUT, epoch))
    order = torch.randperm(len(train.labels), generator=random_numbers(seed, Purpose.ORDER, epoch))
    trained, penalty = trainer.train(train, order.to(hyperparameters.device))
    logits = infer(trainer.module, val.images, hyperparameters.precision)
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
    return row, trainer.state()


@lru_cache(maxsize=2)
def _trainer(
    network: Network, hyperparameters: Hyperparameters, code: tuple[tuple[str, str], ...]
) -> "_Trainer":
    """Return what trains a network of this code in this process; it is kept for the next epochs."""
    return _Trainer(network, hyperparameters)


class _Trainer:
    """A network with its derived steps and its optimizer, into which a state is loaded.

    Between :meth:`load` and :meth:`state` it serves one replicate; nothing else is kept.
    """

    def __init__(self, network: Network, hyperparameters: Hyperparameters) -> None:
        self._network, self._hyperparameters = network, hyperparameters
        self._random = torch.Generator()
        with torch.random.fork_rng(devices=[]):
            self.module = build(network, generator=self._random).to(hyperparameters.device)
        vectors = self._vectors = Vectors(self.module)
        self._optimizer = Optimizer(hyperparameters, vectors.parameters, vectors.gradients)
        self._steps: dict[int, Pass] = {}

    def load(self, state: State, seed: int) -> None:
        """Take a copy of a state, and seed the random numbers of dropout."""
        self.module.load_state_dict(weights(state))
        self._optimizer.load(state)
        self._random.manual_seed(seed)

    def state(self) -> State:
        """Return a copy of the present state, on the CPU."""
        copied = {name: tensor.clone() for name, tensor in weights_of(self.module).items()}
        return copied | self._optimizer.state()

    def train(self, train: Examples, order: Tensor) -> tuple[Score, float]:
        """Take one step per batch, in the given order; return the running score and mean penalty.

        The score is taken while the weights change.
        """
        hyperparameters, vectors = self._hyperparameters, self._vectors
        strengths = self._network.l1_strength, self._network.l2_strength
        labels = train.labels.index_select(0, order)
        targets = nn.functional.one_hot(labels, self._network.num_classes).float()
        # Scored together at the end: on networks this small, scores per step would cost a third.
        all_logits = torch.empty_like(targets)
        batches = [
            table.split(hyperparameters.batch_size) for table in (order, targets, all_logits)
        ]
        steps = hyperparameters.num_epochs * len(batches[0])
        penalties = torch.zeros(len(batches[0]), device=targets.device)
        for chosen, wanted, kept_logits, penalty in zip(*batches, penalties, strict=True):
            step = self._step(len(chosen), train.images.shape[1:])
            pixels_to_inputs(train.images.index_select(0, chosen), out=step.inputs)
            step.targets.copy_(wanted)
            logits = step()
            if any(strengths):
                penalty.copy_(add_penalty(vectors.gradients, vectors.parameters, *strengths))
            self._optimizer.update(steps)
            kept_logits.copy_(logits)
        mean_penalty = penalties.double().mean().item()
        return score(all_logits, labels, hyperparameters.loss_input), mean_penalty

    def _step(self, images: int, shape: tuple[int, ...]) -> Pass:
        """Return the step for a batch of so many images, derived when it is first needed."""
        if images not in self._steps:
            loss_input, device = self._hyperparameters.loss_input, self._hyperparameters.device
            with autocast(device, self._hyperparameters.precision):
                self._steps[images] = training_step(
                    self.module,
                    torch.zeros(images, *shape, device=device),
                    torch.zeros(images, self._network.num_classes, device=device),
                    lambda logits, targets: loss_gradient(logits, targets, loss_input),
                    self._vectors,
                    self._random,
                )
        return self._steps[images]


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
