"""Passes derived from modules of many kinds, against torch's own autograd on the same module."""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from fashionbench.portable import forward_pass, training_step
from fashionbench.portable.trace import NotDerivableError, record_forward


class Expanded(nn.Module):
    """Multiplies a tensor whose elements share memory."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.weight = nn.Parameter(torch.rand(6, 1)), nn.Parameter(torch.rand(6, 8))

    def forward(self, x: Tensor) -> Tensor:
        return (self.scale.expand(6, 8) * 2 * self.weight * x.unsqueeze(1)).sum(2)


class Residual(nn.Module):
    """Adds what a layer makes of its inputs to them, twice by the same layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.last = nn.Linear(8, 8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(2):
            x = x + self.layer(x).relu()
        logits: Tensor = self.last(x)
        return logits


class Unused(nn.Module):
    """Has a parameter on which nothing depends, and one that is frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.unused, self.layer = nn.Parameter(torch.ones(3)), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layer(x)
        return logits + torch.arange(5, dtype=x.dtype)


class Overwrites(nn.Module):
    """Changes tensors in place, and reads views of them afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 6)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.layer(x)
        left = hidden[:, :3]
        hidden.mul_(2).add_(1)
        return torch.cat([left.tanh(), hidden.relu()], 1)


MODULES: dict[str, Callable[[], nn.Module]] = {
    "perceptron": lambda: nn.Sequential(nn.Linear(8, 130), nn.ReLU(), nn.Linear(130, 5)),
    "narrow": lambda: nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 3)),
    "no bias": lambda: nn.Sequential(nn.Linear(8, 20, bias=False), nn.GELU(), nn.Linear(20, 5)),
    "normalised": lambda: nn.Sequential(
        nn.Linear(8, 20), nn.BatchNorm1d(20), nn.SiLU(), nn.LayerNorm(20), nn.Linear(20, 5)
    ),
    "in place": lambda: nn.Sequential(nn.Linear(8, 20), nn.ReLU(inplace=True), nn.Linear(20, 5)),
    "convolutions": lambda: nn.Sequential(
        nn.Unflatten(1, (2, 2, 2)),
        nn.Conv2d(2, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 6, 2, groups=3),
        nn.Flatten(),
        nn.Linear(6, 5),
    ),
    "channels last": lambda: nn.Sequential(
        nn.Unflatten(1, (2, 2, 2)), nn.Conv2d(2, 20, 3, padding=1), nn.Flatten(), nn.Linear(80, 5)
    ).to(memory_format=torch.channels_last),
    "attention": lambda: nn.Sequential(
        nn.Unflatten(1, (2, 4)),
        nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True),
        nn.Flatten(),
        nn.Linear(8, 5),
    ),
    "residual": Residual,
    "expanded": Expanded,
    "unused": Unused,
    "overwrites": Overwrites,
}


def loss_of(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs.sigmoid() * targets[:, : outputs.shape[1]]).sum()


@pytest.mark.parametrize("name", MODULES)
def test_gradients_outputs_and_buffers_are_those_of_autograd(name: str) -> None:
    torch.manual_seed(0)
    module = MODULES[name]()
    exact = deepcopy(module).double()
    batches = [(torch.randn(7, 8), torch.randn(7, 9)) for _ in range(3)]
    step = training_step(module, *batches[0], loss_of)
    assert step.source
    assert step.unportable == ()
    for inputs, targets in batches:
        outputs = step(inputs, targets)
        expected = exact.train()(inputs.double())
        exact.zero_grad()
        loss_of(expected, targets.double()).backward()
        torch.testing.assert_close(outputs.double(), expected, rtol=1e-4, atol=1e-5)
        parts = step.gradients.split([parameter.numel() for parameter in module.parameters()])
        for part, ours, theirs in zip(parts, module.parameters(), exact.parameters(), strict=True):
            found = part.as_strided(ours.shape, ours.stride(), part.storage_offset())
            gradient = torch.zeros_like(theirs) if theirs.grad is None else theirs.grad
            torch.testing.assert_close(found.double(), gradient, rtol=1e-4, atol=1e-5)
        # What an optimizer does to the vector reaches the module and the next step.
        step.parameters.mul_(0.9)
        for parameter in exact.parameters():
            parameter.data.mul_(0.9)
    for found, wanted in zip(module.buffers(), exact.buffers(), strict=True):
        torch.testing.assert_close(found, wanted.to(found.dtype), rtol=1e-4, atol=1e-5)
    forward = forward_pass(module, batches[0][0])
    expected = exact.eval()(batches[1][0].double())
    torch.testing.assert_close(forward(batches[1][0]).double(), expected, rtol=1e-4, atol=1e-5)


class Decides(nn.Module):
    """Does one thing or another, in a way of its own."""

    def __init__(self, decide: Callable[[Tensor], bool]) -> None:
        super().__init__()
        self.layer, self.decide = nn.Linear(8, 5), decide

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.layer(x)
        return outputs if self.decide(x) else -outputs


@pytest.mark.parametrize(
    "decide",
    [
        lambda x: bool(x.sum() > 4),
        lambda x: x.mean().item() > 0.1,
        lambda x: float(x.detach().numpy().sum()) > 4,
        lambda x: x.tolist()[0][0] > 0.1,
        lambda x: len(x[x > 0]) > 4,
    ],
)
def test_decisions_by_values_are_noticed_and_left_to_autograd(
    decide: Callable[[Tensor], bool],
) -> None:
    torch.manual_seed(0)
    module = Decides(decide)
    exact = deepcopy(module)
    step = training_step(module, torch.zeros(7, 8), torch.zeros(7, 9), loss_of)
    assert step.source == ""
    assert "depends on values" in step.unportable[0]
    signs = set()
    for scale in (-1, 1):
        inputs, targets = torch.full((7, 8), float(scale)), torch.ones(7, 9)
        outputs = step(inputs, targets)
        expected = exact(inputs)
        signs.add(bool(torch.equal(expected, exact.layer(inputs))))
        torch.testing.assert_close(outputs, expected)
        (gradient,) = torch.autograd.grad(loss_of(expected, targets), exact.layer.bias)
        torch.testing.assert_close(step.gradients[-5:], gradient)
    assert signs == {True, False}
    assert forward_pass(module, torch.zeros(7, 8)).unportable


def test_dropout_draws_from_the_steps_own_generator() -> None:
    module = nn.Sequential(nn.Dropout(0.5), nn.Linear(8, 5))
    inputs, targets = torch.ones(7, 8), torch.ones(7, 9)
    found = []
    for seed, others in ((0, 1), (0, 2), (3, 1)):
        torch.manual_seed(others)
        step = training_step(deepcopy(module), inputs, targets, loss_of, seed=seed)
        found.append([step(inputs, targets) for _ in range(2)])
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
    assert not torch.equal(found[0][0], found[0][1])
    assert not torch.equal(found[0][0], found[2][0])


def test_deriving_leaves_the_module_and_random_numbers_alone() -> None:
    module = nn.Sequential(nn.Linear(8, 5), nn.BatchNorm1d(5), nn.Dropout(0.5))
    before, numbers = deepcopy(module.state_dict()), torch.get_rng_state()
    training_step(module, torch.randn(7, 8), torch.randn(7, 9), loss_of)
    torch.set_rng_state(numbers)
    training_step(module, torch.ones(7, 8), torch.ones(7, 9), loss_of)
    assert torch.equal(torch.get_rng_state(), numbers)
    after = module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_module_that_returns_no_tensor_is_named() -> None:
    with pytest.raises(NotDerivableError, match="returns a tuple and no tensor"):
        record_forward(nn.LSTM(8, 3), torch.zeros(2, 4, 8))
