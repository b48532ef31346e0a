"""The table of operations: what is in it, and what its stand-ins compute."""

import copy
import math
from collections.abc import Callable
from functools import cache
from typing import Any

import layers
import pytest
import torch
from layers import Tabled
from torch import Tensor
from torch.nn import functional

from fashionbench.portable import convolutions, definition, operations
from fashionbench.portable.kernels import CHUNK

DRAWN = {"noise", "noise of a generator", "attention", "attention with weights", "decoder"}
"""Cases whose random numbers are other ones than torch's own, with the names that follow."""
FUNCTIONS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    name: (operations.REPLACED[f"aten.{name}.default"], getattr(torch, name))
    for name in ("exp", "log", "log2", "log10", "sqrt", "tanh", "atan", "erf", "erfc")
}
SPECIAL = torch.tensor([0.0, -0.0, 1, -1, math.inf, -math.inf, math.nan, 1e30, 1e-30, -1e-30])


known_cases = cache(layers.cases)
CASES = sorted(known_cases())


def case(name: str) -> layers.Case:
    """Return a case whose module may be changed."""
    module, shape = known_cases()[name]
    return copy.deepcopy(module), shape


@cache
def computed(name: str) -> tuple[list[Tensor], frozenset[str]]:
    """Compute a case with the table; return its results and the operations that it consists of."""
    module, shape = case(name)
    torch.manual_seed(2)
    with Tabled() as table:
        found = layers.results(module, layers.inputs_of((module, shape)))
    return found, frozenset(table.names)


def test_every_operation_of_the_table_is_tested() -> None:
    """Each is part of a case, all of which emulated processors compute as well."""
    known = operations.AS_THEY_ARE | set(operations.REPLACED)
    assert not known - frozenset().union(*(computed(name)[1] for name in CASES))


@pytest.mark.parametrize("name", CASES)
def test_layers_need_no_operation_outside_the_table(name: str) -> None:
    assert not [each for each in computed(name)[1] if not operations.is_portable(each)]


@pytest.mark.parametrize(
    "name", [name for name in CASES if name not in DRAWN and "Dropout" not in name]
)
def test_layers_compute_what_torch_does(name: str) -> None:
    """Compare values with torch's in float64, and layouts with its own in float32."""
    found, _ = computed(name)
    module, shape = case(name)
    inputs = layers.inputs_of((module, shape))
    torch.manual_seed(2)
    own = layers.results(copy.deepcopy(module), inputs)
    assert list(map(strides, found)) == list(map(strides, own))
    if name not in ("RReLU", "noise"):
        torch.manual_seed(2)
        exact = layers.results(module.double(), inputs.double())
        for near, right in zip(found, exact, strict=True):
            torch.testing.assert_close(near.double(), right.double(), rtol=2e-5, atol=5e-5)


def strides(tensor: Tensor) -> list[int]:
    """Return how far the elements lie apart, along the dimensions that have several."""
    return [step for size, step in zip(tensor.shape, tensor.stride(), strict=True) if size > 1]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_return_the_nearest_float32(name: str) -> None:
    ours, own = FUNCTIONS[name]
    numbers = torch.Generator().manual_seed(0)
    bits = torch.randint(0x00800000, 0x7F7FFFFF, (100_000,), generator=numbers, dtype=torch.int32)
    normal = torch.randn(100_000, generator=numbers)
    x = torch.cat([bits.view(torch.float32), normal, -normal, 30 * normal, 1 + normal / 1000])
    found, exact = ours(x).double(), own(x.double())
    nearest = exact.float()
    gap = nearest.abs().nextafter(torch.tensor(math.inf)).double() - nearest.abs().double()
    apart = (found - exact).abs() / gap
    # Results below the smallest normal number count as 0.
    compared = exact.isfinite() & (nearest != 0) & nearest.isfinite()
    assert compared.sum() > 100_000
    assert apart[compared].max() < 0.502
    assert torch.equal(found.float()[~compared].nan_to_num(7), nearest[~compared].nan_to_num(7))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_special_numbers(name: str) -> None:
    ours, own = FUNCTIONS[name]
    found, expected = ours(SPECIAL), own(SPECIAL.double()).float()
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0, equal_nan=True)
    assert torch.equal(found.signbit() & ~found.isnan(), expected.signbit() & ~expected.isnan())


def test_gelu_keeps_its_digits_where_its_results_are_small() -> None:
    x = torch.linspace(-5, 5, 10_001)
    exact = x.double() * torch.special.ndtr(x.double())
    apart = (operations.gelu(x).double() - exact).abs() / exact.abs().clamp_min(1e-30)
    assert apart.max() < 1e-7
    assert operations.gelu(torch.tensor([-40.0, 0.0, 40.0])).tolist() == [0, 0, 40]


def test_vectors_of_complex_numbers_are_multiplied_as_torch_does() -> None:
    a = torch.tensor([1 + 2j, 3 - 1j])
    for name in ("dot", "vdot"):
        assert operations.REPLACED[f"aten.{name}.default"](a, a) == getattr(torch, name)(a, a)


def test_logsumexp_of_infinities() -> None:
    x = torch.tensor([[-math.inf, -math.inf], [0.0, math.inf], [-math.inf, 3.0], [1e4, 1e4]])
    assert operations.logsumexp(x, [1]).tolist() == torch.logsumexp(x, 1).tolist()
    assert operations.logsumexp(x, [1], True).shape == (4, 1)


def test_results_may_overwrite_their_argument() -> None:
    x = torch.rand(10)
    expected = operations.REPLACED["aten.exp.default"](x)
    assert operations.REPLACED["aten.exp_.default"](x) is x
    assert torch.equal(x, expected)


def test_ones_are_drawn_with_their_probability() -> None:
    def drawn() -> Tensor:
        generator = torch.Generator().manual_seed(0)
        values = torch.empty(100_000, dtype=torch.bfloat16)
        return operations.bernoulli_(values, 0.3, generator=generator)

    assert set(drawn().tolist()) == {0, 1}
    assert drawn().float().mean().item() == pytest.approx(0.3, abs=0.005)
    assert torch.equal(drawn(), drawn())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_are_torchs_own(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, 20, 20, generator=generator).to(dtype)
    for ours, own in FUNCTIONS.values():
        assert torch.equal(ours(x), own(x))
    assert torch.equal(operations.bmm(x, x), torch.bmm(x, x))
    addmm = operations.REPLACED["aten.addmm.default"]
    assert torch.equal(addmm(x[0, 0], x[0], x[1]), torch.addmm(x[0, 0], x[0], x[1]))
    assert torch.equal(operations.gelu(x), functional.gelu(x))
    assert torch.equal(operations.mv(x[0], x[0, 0]), torch.mv(x[0], x[0, 0]))
    assert torch.equal(operations.logsumexp(x, [1]), torch.logsumexp(x, 1))
    images, weight = x[None], x[:, None, :3, :3].expand(2, 2, 3, 3)
    how = ([2, 2], [1, 1], [1, 1], False, [0, 0], 1)
    outputs = convolve(images, weight, None, *how)
    assert torch.equal(outputs, functional.conv2d(images, weight, None, 2, 1))
    [found] = gradients(outputs, images, weight, None, *how, (True, False, False))
    assert found.dtype == dtype


def test_matrices_of_a_batch_are_products() -> None:
    a, b = definition.product_example(20, 300, 32, CHUNK).operands
    expected = operations.mm(a, b)
    batch = operations.bmm(torch.stack([a, 2 * a]), torch.stack([b, b]))
    assert torch.equal(batch, torch.stack([expected, 2 * expected]))
    narrow = operations.bmm(torch.stack([a, a]), b[:, :3].expand(2, 300, 3))
    assert torch.equal(narrow[1], operations.mm(a, b[:, :3]))


@pytest.mark.parametrize("size", [(0, 3, 4), (2, 0, 4), (2, 3, 0)])
def test_empty_products(size: tuple[int, int, int]) -> None:
    m, k, n = size
    a, b = torch.ones(m, k), torch.ones(k, n)
    assert torch.equal(operations.mm(a, b), torch.zeros(m, n))
    assert torch.equal(operations.bmm(a[None], b[None]), torch.zeros(1, m, n))


def test_operands_may_lie_in_memory_as_they_like() -> None:
    """Rows that overlap, as windows of a signal do, or are one and the same; gaps between all."""
    signal, b = torch.randn(40), torch.randn(10, 20)
    windows = signal.unfold(0, 10, 1)
    expected = operations.mm(windows.contiguous(), b)
    assert torch.equal(operations.mm(windows, b), expected)
    assert torch.equal(operations.mm(windows[:1].expand(31, 10), b)[3], expected[0])
    assert torch.equal(
        operations.mm(signal.as_strided((4, 10), (7, 2)), b),
        operations.mm(
            signal.as_strided((4, 10), (7, 2)).clone(memory_format=torch.contiguous_format), b
        ),
    )


def convolve(*arguments: Any) -> Tensor:
    """Call the stand-in without types: its arguments are those of an operation."""
    return convolutions.convolution(*arguments)


def gradients(*arguments: Any) -> list[Tensor]:
    """Return the gradients that are wanted by the last argument, and no others."""
    found = convolutions.convolution_backward(*arguments)
    assert [part is not None for part in found] == list(arguments[-1])
    return [part for part in found if part is not None]


def in_chunks(a: Tensor, b: Tensor) -> Tensor:
    """Multiply as it is defined: chains over chunks, added in order."""
    total = torch.zeros(len(a), b.shape[1])
    for some_a, some_b in zip(a.split(CHUNK, 1), b.split(CHUNK), strict=True):
        total += definition.chain(some_a, some_b)
    return total


@pytest.mark.parametrize(
    "name", ["3x3 strided", "3x3 inside", "1x1", "odd", "grouped", "long", "one channel"]
)
def test_convolutions_are_products_with_patches(name: str) -> None:
    module, shape = layers.geometry(name)
    assert isinstance(module, torch.nn.Conv2d)
    window: dict[str, Any] = {
        part: getattr(module, part) for part in ("stride", "padding", "dilation")
    }
    how = (*map(list, window.values()), False, [0, 0], module.groups)
    images, weight = definition._random(*shape), definition._random(*module.weight.shape)
    outputs = convolve(images, weight, None, *how)
    gradient = definition._random(*outputs.shape)
    found = gradients(gradient, images, weight, None, *how, (True, True, True))
    patches = functional.unfold(images, module.kernel_size, **window).transpose(0, 1).flatten(1)
    by_filter = gradient.flatten(2).transpose(0, 1).flatten(1)
    groups = [part.chunk(module.groups) for part in (weight.flatten(1), patches, by_filter)]

    def by_image(values: list[Tensor]) -> Tensor:
        joined = torch.cat(values)
        return joined.view(len(joined), len(images), -1).transpose(0, 1)

    expected = by_image([in_chunks(w, p) for w, p, _ in zip(*groups, strict=True)])
    assert torch.equal(outputs, expected.reshape(outputs.shape))
    of_patches = by_image([in_chunks(w.t(), g) for w, _, g in zip(*groups, strict=True)])
    for_inputs = functional.fold(of_patches, shape[2:], module.kernel_size, **window)
    for_weight = torch.cat([in_chunks(g, p.t()) for _, p, g in zip(*groups, strict=True)])
    for_bias = gradient.sum((0, 2, 3))
    assert all(map(torch.equal, found, (for_inputs, for_weight.view(weight.shape), for_bias)))


def test_images_are_convolved_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums over images are those of the blocks, in order; nothing else depends on the block."""
    images, weight = torch.randn(5, 6, 9, 9), torch.randn(4, 6, 3, 3)
    how = ([2, 2], [0, 0], [1, 1], False, [0, 0], 1)
    outputs = convolve(images, weight, None, *how)
    gradient = torch.randn(outputs.shape)

    def found(some: slice) -> list[Tensor]:
        return gradients(gradient[some], images[some], weight, None, *how, (True, True, False))

    whole, parts = found(slice(5)), [found(slice(k, min(k + 2, 5))) for k in (0, 2, 4)]
    monkeypatch.setattr(convolutions, "BLOCK", 2 * 6 * 9 * 4 * 4)
    assert torch.equal(convolve(images, weight, None, *how), outputs)
    for_inputs, for_weight = found(slice(5))
    assert torch.equal(for_inputs, whole[0])
    assert not torch.equal(for_weight, whole[1])
    assert torch.equal(for_weight, sum((part[1] for part in parts), torch.zeros_like(weight)))


def test_what_is_not_portable_is_not_in_the_table() -> None:
    for name in ("aten.sin.default", "aten._local_scalar_dense.default", "aten.logit.default"):
        assert not operations.is_portable(name)
    assert not operations.AS_THEY_ARE & set(operations.REPLACED)
