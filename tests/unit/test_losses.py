"""Losses and penalties against hand calculations."""

import math

import pytest
import torch
import torch.nn.functional as F

from fashionbench.params import LossInput
from fashionbench.training.losses import add_penalty, loss_gradient, score


def test_the_loss_of_probabilities_has_the_floor_of_the_report() -> None:
    certain = torch.full((3, 10), -1e4)
    labels = torch.tensor([1, 5, 9])
    certain[torch.arange(3), labels] = 1e4
    floor = math.log(math.e + 9) - 1
    assert floor == pytest.approx(1.4612, abs=5e-5)
    assert score(certain, labels, "probabilities").loss == pytest.approx(floor)
    assert score(certain, labels, "logits").loss == 0


@pytest.mark.parametrize("loss_input", ["probabilities", "logits"])
def test_the_loss_and_its_gradient_are_torchs(loss_input: LossInput) -> None:
    logits = torch.randn(7, 10, dtype=torch.float64, requires_grad=True)
    labels = torch.arange(7)
    given = logits.softmax(1) if loss_input == "probabilities" else logits
    loss = F.cross_entropy(given, labels)
    loss.backward()
    found = logits.detach()
    assert score(found, labels, loss_input).loss == pytest.approx(loss.item())
    gradient = loss_gradient(found, torch.eye(10, dtype=torch.float64)[labels], loss_input)
    torch.testing.assert_close(gradient, logits.grad)


def test_penalties_and_their_gradients_are_as_by_hand() -> None:
    parameters = torch.tensor([1.0, -2.0, 0.0])
    for l1, l2 in ((0, 0), (0.1, 0), (0, 0.01), (0.1, 0.01)):
        gradients = torch.ones(3)
        added = add_penalty(gradients, parameters, l1, l2)
        assert added.item() == pytest.approx(3 * l1 + 5 * l2)
        assert gradients.tolist() == pytest.approx([1 + l1 + 2 * l2, 1 - l1 - 4 * l2, 1])


def test_a_score_is_a_mean_over_images() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0]])
    scored = score(logits, torch.tensor([0, 1, 1]), "logits")
    right, wrong = math.log(1 + math.exp(-2)), math.log(1 + math.exp(2))
    assert scored.accuracy == pytest.approx(2 / 3)
    assert scored.loss == pytest.approx((2 * right + wrong) / 3)
