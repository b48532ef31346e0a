"""The defined arithmetic: what a sum is."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from fashionbench.portable import arithmetic, definition, kernels


def channels_last(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=torch.channels_last)


def test_a_chain_rounds_once_for_each_term() -> None:
    # 1 + 2**-24 is a tie and rounds to 1, as a product that is rounded first would not show.
    a = torch.tensor([[1.0, 2**-12, 2**-12]])
    b = torch.tensor([[1.0], [2**-12], [1 + 2**-7]])
    assert definition.chain(a, b).item() == 1 + 2**-12 * (1 + 2**-7)
    assert definition.chain(a[:, :2], b[:2]).item() == 1


def test_chunks_are_added_in_order() -> None:
    k, large = 3 * kernels.CHUNK, 2.0**24
    a, b = torch.ones(1, k), torch.zeros(k, 1)
    # In one chain, or from the end, each 1 would be lost beside the large number.
    b[0], b[kernels.CHUNK], b[kernels.CHUNK + 1] = large, 1, 1
    assert arithmetic.product(a, b).item() == large + 2


@pytest.mark.parametrize("m", [64, 16, 7, 1])
@pytest.mark.parametrize(("k", "n"), [(784, 128), (300, 64), (64, 10), (10, 64), (128, 3)])
def test_a_product_is_what_is_defined(new_process: None, m: int, k: int, n: int) -> None:
    example = definition.product_example(m, k, n, kernels.CHUNK)
    a, b = example.operands
    assert example.agrees(arithmetic.product(a, b))
    by_column = b.t().contiguous().t()
    assert example.agrees(arithmetic.product(a.t().contiguous().t(), by_column))
    out = torch.full((m, n), math.nan)
    assert arithmetic.Product(out)(a, b) is out
    assert example.agrees(out)
    assert not example.agrees(out.nextafter(torch.tensor(math.inf)))
    assert all(any(agrees.values()) for agrees in kernels.choices.values())


def test_a_product_in_a_loop_sees_new_values_in_the_same_place_and_others_elsewhere() -> None:
    a, b = definition.product_example(20, 300, 32, kernels.CHUNK).operands
    multiply = arithmetic.Product()
    first = multiply(a, b).clone()
    assert torch.equal(multiply(a.mul_(2), b), 2 * first)
    assert torch.equal(multiply(a.clone().mul_(2), b), 4 * first)
    assert torch.equal(multiply(a[:17], b), 2 * first[:17])


@pytest.mark.parametrize("channels", [1, 3, 32])
def test_convolutions_and_their_gradients_are_what_is_defined(
    new_process: None, channels: int
) -> None:
    def agrees(define: Callable[..., definition.Example], compute: kernels.Kernel) -> bool:
        example = define(3, channels, 28, 28, 32)
        return example.agrees(compute(*map(channels_last, example.operands)))

    convolve = partial(arithmetic.convolution, bias=torch.zeros(32))
    assert agrees(definition.convolution_example, convolve)
    assert agrees(definition.weight_gradient_example, arithmetic.convolution_weight_gradient)
    if channels > 1:  # Images have one channel, and nothing needs a gradient for them.
        assert agrees(definition.input_gradient_example, arithmetic.convolution_input_gradient)


def test_bits_do_not_depend_on_where_tensors_lie() -> None:
    """Compute with operands at addresses that are no multiples of a vector's size."""
    a, b = definition.product_example(64, 784, 128, kernels.CHUNK).operands

    def shifted(tensor: Tensor) -> Tensor:
        room = torch.empty(tensor.numel() + 1)[1:]
        return room.view(tensor.shape).copy_(tensor)

    assert shifted(a).data_ptr() % 32 != a.data_ptr() % 32
    assert torch.equal(arithmetic.product(shifted(a), shifted(b)), arithmetic.product(a, b))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_are_torchs_own(dtype: torch.dtype) -> None:
    a, b = torch.randn(4, 300, dtype=dtype), torch.randn(300, 20, dtype=dtype)
    assert torch.equal(arithmetic.product(a, b), a @ b)
