"""Statistics of weights whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from trainings import network

from fashionbench.evaluation.weights import (
    Weights,
    filters,
    step_length,
    strongest_filters,
    weight_rows,
    weight_statistics,
)
from fashionbench.networks.declared import build, weights_of
from fashionbench.params import Hyperparameters
from fashionbench.training.optimizers import Optimizer

PLAIN = network()


def perceptron(first: np.ndarray) -> Weights:
    """Two layers: ``first``, and one whose four weights are 0.5."""
    return {
        "1.weight": first.reshape(len(first), -1).astype(np.float32),
        "1.bias": np.zeros(len(first), np.float32),
        "3.weight": np.full((4, 1), 0.5, np.float32),
    }


def variation(first: np.ndarray) -> float:
    return weight_statistics(perceptron(first), 0.001, PLAIN).total_variation


def test_flat_filters_have_no_variation_and_stripes_the_most() -> None:
    flat = np.full((1, 28, 28), 0.25)
    assert variation(flat) == variation(0 * flat) == 0
    stripes = flat * np.where(np.arange(28) % 2, 1, -1)
    # Neighbours across differ by twice the size of a weight, neighbours below not at all.
    assert [variation(stripes), variation(stripes * 1e-6)] == pytest.approx([1, 1])


def test_independent_normal_weights_vary_by_the_root_of_two() -> None:
    noise = np.random.default_rng(0).normal(size=(200, 28, 28))
    assert variation(noise) == pytest.approx(np.sqrt(2), abs=0.01)


def test_weights_below_a_step_count_as_zero_in_all_layers() -> None:
    first = np.zeros((1, 28, 28))
    first[0, 0, :2] = 0.002, -0.002
    found = weight_statistics(perceptron(first), 0.001, PLAIN)
    assert found.count == 784 + 4
    assert found.near_zero == pytest.approx(782 / 788)
    assert found.magnitude == pytest.approx((2 * 0.002 + 4 * 0.5) / 788)
    (row,) = weight_rows({3: perceptron(first)}, 0.001, PLAIN)
    assert row["seed"] == 3
    assert row["near_zero"] == found.near_zero


def test_batch_normalisation_does_not_count_and_convolutions_have_small_filters() -> None:
    declared = network(conv_filters=(4, 4), hidden_sizes=(8,), batch_norm=True)
    state = {name: tensor.numpy() for name, tensor in weights_of(build(declared)).items()}
    assert filters(state, PLAIN).shape == (4, 3, 3)
    for array in state.values():
        if array.ndim > 1:
            array[:] = 1
    assert weight_statistics(state, 0.001, PLAIN).near_zero == 0
    torch.testing.assert_close(weight_statistics(state, 0.001, PLAIN).magnitude, 1.0)


def test_the_strongest_filters_come_first() -> None:
    first = np.stack([np.full((28, 28), size) for size in np.linspace(1, 2, 20)])
    shown = strongest_filters(perceptron(first), PLAIN)
    assert shown.shape == (16, 28, 28)
    assert shown[0, 0, 0] == 2
    assert (np.diff(shown[:, 0, 0]) < 0).all()


def test_the_length_of_a_step_is_that_of_a_steady_gradient_of_one(
    hyperparameters: Hyperparameters,
) -> None:
    for name in ("adam", "adamw", "sgd"):
        how = replace(hyperparameters, optimizer=name, learning_rate=0.01, momentum=0.9)
        ours, gradients = torch.zeros(1), torch.ones(1)
        optimizer = Optimizer(how, ours, gradients)
        before = ours
        for _ in range(200):
            before = ours.clone()
            optimizer.update(200)
        assert (before - ours).item() == pytest.approx(step_length(how), rel=1e-4)
