"""The straightforward loop that training must agree with: autograd and torch's own optimizer."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fashionbench.data.examples import Examples
from fashionbench.networks.declared import build
from fashionbench.networks.forward import infer, pixels_to_inputs
from fashionbench.params import LossInput, Network
from fashionbench.training.epoch import Purpose, Replicate, State, initial_state, random_numbers
from fashionbench.training.losses import score


def objective(
    module: nn.Module, network: Network, inputs: Tensor, labels: Tensor, loss_input: LossInput
) -> Tensor:
    """What is minimised on a batch, as torch's manual would write it."""
    logits = module(inputs)
    loss = F.cross_entropy(
        F.softmax(logits, 1) if loss_input == "probabilities" else logits, labels
    )
    for parameter in module.parameters():
        loss = loss + network.l1_strength * parameter.abs().sum()
        loss = loss + network.l2_strength * parameter.square().sum()
    return loss


def float64_module(network: Network, state: State, dropout: torch.Generator) -> nn.Sequential:
    """The module of a state, computing in double precision."""
    module = build(network, generator=dropout)
    module.load_state_dict(state)
    return module.double()


def train_in_float64(
    replicate: Replicate, train: Examples, val: Examples
) -> tuple[float, nn.Sequential]:
    """Train a replicate from the same weights, in the same order, with the same dropout.

    Returns the final validation accuracy and the module.
    """
    hyperparameters, dropout = replicate.hyperparameters, torch.Generator()
    module = float64_module(replicate.network, initial_state(replicate), dropout)
    optimizer = torch.optim.Adam(
        module.parameters(), lr=hyperparameters.learning_rate, foreach=False, fused=False
    )
    inputs = pixels_to_inputs(train.images).double()
    for epoch in range(1, hyperparameters.num_epochs + 1):
        dropout.set_state(random_numbers(replicate.seed, Purpose.DROPOUT, epoch).get_state())
        numbers = random_numbers(replicate.seed, Purpose.ORDER, epoch)
        for chosen in torch.randperm(len(inputs), generator=numbers).split(
            hyperparameters.batch_size
        ):
            optimizer.zero_grad()
            objective(
                module,
                replicate.network,
                inputs[chosen],
                train.labels[chosen],
                hyperparameters.loss_input,
            ).backward()
            optimizer.step()
    logits = infer(module.float(), val.images)
    return score(logits, val.labels, hyperparameters.loss_input).accuracy, module
