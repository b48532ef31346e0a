"""Kernels are chosen by the definition, and what is tried is what is computed later."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from trainings import forget_kernels, network

from fashionbench.data.examples import Examples
from fashionbench.networks.declared import restore
from fashionbench.networks.forward import infer
from fashionbench.params import Hyperparameters, Network
from fashionbench.portable import arithmetic, definition, kernels, operations
from fashionbench.training import self_test
from fashionbench.training.epoch import Replicate, initial_state, train_epoch, weights

SHAPE = (3, 8, 6)
# Batch normalisation hands its images on by plane, and twelve filters fill no vector.
ODD = network(name="odd", conv_filters=(12, 12), batch_norm=True)


def off_by_a_bit(a: Sequence[Tensor], b: Sequence[Tensor], out: Tensor) -> Tensor:
    return out.copy_(torch.cat(tuple(a), -1).double() @ torch.cat(tuple(b), -2).double())


def test_kernels_that_disagree_are_not_used(
    new_process: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = definition.product_example(20, 128, 32, kernels.CHUNK).operands
    expected = arithmetic.product(a, b)
    forget_kernels()
    monkeypatch.setattr(kernels, "_multiply_by_mkl", off_by_a_bit)
    assert torch.equal(arithmetic.product(a, b), expected)
    assert kernels.choices["product 20x128 by 128x32"] == {"MKL": False, "oneDNN": True}

    forget_kernels()
    monkeypatch.setattr(kernels, "_multiply_by_onednn", off_by_a_bit)
    with caplog.at_level(logging.WARNING):
        arithmetic.product(a, b)
    assert "no kernel computes the product 20x128 by 128x32 as it is defined" in caplog.text


def test_a_kernel_for_batches_that_disagrees_is_not_used(
    new_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = torch.randn(3, 20, 128), torch.randn(3, 128, 32)
    expected = operations.bmm(a, b)
    forget_kernels()
    monkeypatch.setattr(kernels, "_multiply_batch", off_by_a_bit)
    assert torch.equal(operations.bmm(a, b), expected)
    assert kernels.choices["3 products 20x128 by 128x32"] == {"batch": False, "one by one": True}


def from_the_end(a: Tensor, b: Tensor) -> Tensor:
    return definition.chain(a.flip(1), b.flip(0))


def in_two_halves(a: Tensor, b: Tensor) -> Tensor:
    half = a.shape[1] // 2
    return definition.chain(a[:, :half], b[:half]) + definition.chain(a[:, half:], b[half:])


def with_rounded_products(a: Tensor, b: Tensor) -> Tensor:
    total = torch.zeros(len(a), b.shape[1])
    for column, row in zip(a.split(1, 1), b.split(1), strict=True):
        total = total + column * row
    return total


@pytest.mark.parametrize("wrong", [from_the_end, in_two_halves, with_rounded_products])
@pytest.mark.parametrize("k", [3, 9, 128])
def test_a_single_row_shows_another_order_and_rounded_products(
    wrong: Callable[[Tensor, Tensor], Tensor], k: int
) -> None:
    example = definition.product_example(1, k, 32, kernels.CHUNK)
    assert example.agrees(definition.chain(*example.operands))
    assert not example.agrees(wrong(*example.operands))


def test_a_kernel_that_differs_where_nothing_is_defined_is_not_used(new_process: None) -> None:
    """The definition is carried out for some rows only."""
    example = definition.product_example(1000, 9, 32, kernels.CHUNK)
    right = definition.chain(*example.operands)
    wrong = right.clone()
    wrong[1] += 1
    assert example.agrees(wrong)
    tried = {"right": lambda: right, "wrong": lambda: wrong}
    assert list(kernels._agreeing(tried, [], example)) == ["right"]


def in_planes(shape: Sequence[int]) -> Tensor:
    return torch.randn(*shape)


def channels_last(shape: Sequence[int]) -> Tensor:
    return torch.randn(*shape).contiguous(memory_format=torch.channels_last)


def with_other_strides(shape: Sequence[int]) -> Tensor:
    """Lay one channel out as a module in torch's channels-last memory format does."""
    _, channels, height, width = shape
    strides = (channels * height * width, 1, channels * width, channels)
    return torch.randn(*shape).as_strided(shape, strides)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("operation", ["convolution", "input gradient", "weight gradient"])
def test_a_convolution_sees_one_layout_whatever_it_is_given(
    monkeypatch: pytest.MonkeyPatch, operation: str, channels: int
) -> None:
    """torch selects its kernel by the strides, also those that hold no value apart."""
    seen: list[tuple[tuple[int, ...], ...]] = []

    def convolve(*operands: Tensor, **_: object) -> Tensor:
        seen.append(tuple(operand.stride() for operand in operands))
        return torch.zeros(2, 5, *SHAPE[1:])

    def differentiate(*operands: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        seen.append(tuple(operand.stride() for operand in operands[:3]))
        return (torch.zeros(2, channels, *SHAPE[1:]),) * 3

    monkeypatch.setattr(torch, "conv2d", convolve)
    monkeypatch.setattr(kernels, "_convolution_backward", differentiate)
    shapes = [(2, 5, *SHAPE[1:]), (2, channels, *SHAPE[1:]), (5, channels, 3, 3)]
    if operation == "convolution":
        del shapes[0]
    for name, kernel in kernels._CONVOLUTION_KERNELS[operation].items():
        if name == "patches":
            continue
        seen.clear()
        for lay_out in (in_planes, channels_last, with_other_strides):
            kernel(*map(lay_out, shapes))
        assert len(seen) == 3
        assert len(set(seen)) == 1, name


@pytest.mark.parametrize(
    "trained", [self_test.NETWORKS["n3_mlp"], self_test.NETWORKS["n8_conv"], ODD], ids=str
)
def test_kernels_that_agree_with_an_example_agree_on_any_data(
    new_process: None, monkeypatch: pytest.MonkeyPatch, trained: Network
) -> None:
    """Which kernel is the fastest may differ from process to process, but nothing else."""
    differing: list[str] = []

    def compare(
        name: str,
        tried: Mapping[str, kernels.Kernel],
        operands: Sequence[object],
        example: definition.Example,
    ) -> kernels.Kernel:
        agreeing = kernels._agreeing(tried, operands, example)
        others = [with_other_values(operand) for operand in operands]
        first, *rest = (compute(*others).clone() for compute in agreeing.values())
        differing.extend(name for result in rest if not torch.equal(result, first))
        return next(iter(agreeing.values()))

    monkeypatch.setattr(kernels, "_choose", compare)
    monkeypatch.setitem(self_test.NETWORKS, trained.name, trained)
    self_test.train_digest(trained.name)
    assert not differing


def with_other_values(operand: object) -> object:
    """Draw values of all digits in the place of an operand's, as chunks if it comes in chunks."""
    if isinstance(operand, Tensor):
        return torch.empty_strided(operand.shape, operand.stride()).copy_(
            torch.randn(operand.shape)
        )
    assert isinstance(operand, Sequence)
    return [with_other_values(chunk) for chunk in operand]


@pytest.mark.parametrize(
    "trained", [ODD, replace(ODD, batch_norm=False, pool=True)], ids=["normalised", "pooled"]
)
def test_whichever_kernel_is_the_fastest_a_replicate_has_the_same_bits(
    new_process: None,
    monkeypatch: pytest.MonkeyPatch,
    hyperparameters: Hyperparameters,
    test_examples: Examples,
    trained: Network,
) -> None:
    """What follows a convolution sums in an order that depends on the layout of its images."""
    replicate = Replicate(network=trained, hyperparameters=hyperparameters, seed=0)

    def train_and_infer(place: int) -> list[Tensor]:
        def choose(name: str, *tried: Any) -> kernels.Kernel:
            return list(kernels._agreeing(*tried).values())[place]

        monkeypatch.setattr(kernels, "_choose", choose)
        forget_kernels()
        _, state = train_epoch(replicate, 1, initial_state(replicate), test_examples, test_examples)
        module = restore(trained, weights(state), "cpu")
        return [*state.values(), infer(module, test_examples.images)]

    with_first, with_last = train_and_infer(0), train_and_infer(-1)
    assert all(map(torch.equal, with_first, with_last))
