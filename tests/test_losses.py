"""Losses and penalties against hand calculations."""

import math

import pytest
import torch
from torch import nn

from fashionbench.losses import cross_entropy, penalty, score


def test_the_loss_of_probabilities_has_the_floor_of_the_report() -> None:
    certain = torch.full((3, 10), -1e4)
    labels = torch.tensor([1, 5, 9])
    certain[torch.arange(3), labels] = 1e4
    floor = math.log(math.e + 9) - 1
    assert floor == pytest.approx(1.4612, abs=5e-5)
    assert cross_entropy(certain, labels, "probabilities").item() == pytest.approx(floor)
    assert cross_entropy(certain, labels, "logits").item() == 0


def test_the_loss_of_logits_is_the_textbooks() -> None:
    logits, labels = torch.tensor([[0.0, math.log(3)]]), torch.tensor([0])
    assert cross_entropy(logits, labels, "logits").item() == pytest.approx(math.log(4))


def test_penalties_and_their_gradients_are_as_by_hand() -> None:
    parameters = [nn.Parameter(torch.tensor([[1.0, -2.0]])), nn.Parameter(torch.tensor([3.0]))]
    assert penalty(parameters, 0, 0).item() == 0
    assert penalty(parameters, 0.1, 0).item() == pytest.approx(0.1 * (1 + 2 + 3))
    both = penalty(parameters, 0.1, 0.01)
    assert both.item() == pytest.approx(0.1 * (1 + 2 + 3) + 0.01 * (1 + 4 + 9))
    both.backward()
    gradients = [parameter.grad for parameter in parameters]
    torch.testing.assert_close(gradients[0], torch.tensor([[0.1 + 0.02, -0.1 - 0.04]]))
    torch.testing.assert_close(gradients[1], torch.tensor([0.1 + 0.06]))


def test_a_score_is_a_mean_over_images() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0]])
    scored = score(logits, torch.tensor([0, 1, 1]), "logits")
    right, wrong = math.log(1 + math.exp(-2)), math.log(1 + math.exp(2))
    assert scored.accuracy == pytest.approx(2 / 3)
    assert scored.loss == pytest.approx((2 * right + wrong) / 3)
