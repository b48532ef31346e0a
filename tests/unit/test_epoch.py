"""One replicate: what it learns, and what its bits depend on."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save
from trainings import network, train_replicate

from fashionbench.data.examples import Examples
from fashionbench.networks.declared import restore
from fashionbench.networks.forward import infer
from fashionbench.params import Hyperparameters, Precision
from fashionbench.training.epoch import Replicate, initial_state, train_epoch, weights
from fashionbench.training.losses import score


@pytest.fixture
def short(hyperparameters: Hyperparameters) -> Hyperparameters:
    return replace(hyperparameters, num_epochs=3)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"dropout_prob": 0.2},
        {"batch_norm": True},
        {"l2_strength": 1e-4},
        {"conv_filters": (4,)},
    ],
)
def test_every_kind_of_network_learns(
    hyperparameters: Hyperparameters,
    train_examples: Examples,
    changes: dict[str, object],
    precision: Precision,
) -> None:
    eager = replace(hyperparameters, num_epochs=15, precision=precision, loss_input="logits")
    replicate = Replicate(
        network=network(hidden_sizes=(32,), **changes), hyperparameters=eager, seed=0
    )
    curves, state = train_replicate(replicate, train_examples, train_examples)
    assert [row.epoch for row in curves] == list(range(1, 16))
    assert curves[-1].train_loss < 0.7 * curves[0].train_loss
    assert curves[-1].val_accuracy > 0.65
    # The weights are what the network's module has, and nothing of the optimizer's.
    restored = restore(replicate.network, weights(state), "cpu")
    assert weights(state).keys() == restored.state_dict().keys() < state.keys()
    kept = score(infer(restored, train_examples.images, precision), train_examples.labels, "logits")
    assert (kept.loss, kept.accuracy) == (curves[-1].val_loss, curves[-1].val_accuracy)


def test_the_curves_tell_the_penalty_from_the_loss(
    short: Hyperparameters, train_examples: Examples
) -> None:
    one_step = replace(short, num_epochs=1, batch_size=400)
    declared = network(l1_strength=1e-3)
    replicate = Replicate(network=declared, hyperparameters=one_step, seed=0)
    start = initial_state(replicate)
    by_hand = 1e-3 * sum(tensor.abs().sum().item() for tensor in start.values())
    row, _ = train_epoch(replicate, 1, start, train_examples, train_examples)
    assert row.train_objective - row.train_loss == pytest.approx(by_hand, rel=1e-5)


def test_a_replicate_ignores_and_leaves_the_global_generator(
    short: Hyperparameters, train_examples: Examples
) -> None:
    replicate = Replicate(network=network(dropout_prob=0.5), hyperparameters=short, seed=0)
    results = []
    for global_seed in (1, 2):
        torch.manual_seed(global_seed)
        before = torch.random.get_rng_state()
        results.append(save(train_replicate(replicate, train_examples, train_examples)[1]))
        assert torch.equal(torch.random.get_rng_state(), before)
    assert results[0] == results[1]


def test_an_epoch_leaves_the_state_it_starts_from(
    short: Hyperparameters, train_examples: Examples
) -> None:
    replicate = Replicate(network=network(batch_norm=True), hyperparameters=short, seed=0)
    _, start = train_epoch(replicate, 1, initial_state(replicate), train_examples, train_examples)
    before = save(start)
    train_epoch(replicate, 2, start, train_examples, train_examples)
    assert save(start) == before


def test_seeds_start_from_different_default_initialisations(short: Hyperparameters) -> None:
    states = [
        initial_state(Replicate(network=network(), hyperparameters=short, seed=seed))
        for seed in (0, 1)
    ]
    first_layer, other = (state["1.weight"] for state in states)
    assert not torch.equal(first_layer, other)
    bound = 1 / 784**0.5  # nn.Linear's default: uniform within 1 / sqrt(inputs).
    assert first_layer.abs().max() <= bound
    assert first_layer.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
