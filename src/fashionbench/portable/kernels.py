"""The kernels that torch has for an operation, and the choice of one that keeps to the definition.

Well-made kernels compute an output as the chain that :mod:`fashionbench.portable.arithmetic`
defines, whatever the width of their vectors, because each lane holds another output. They differ in
where they cut long sums to fit a cache: MKL for AMD cuts what is longer than 128 terms, and MKL for
Intel changes the order for some sizes; oneDNN does neither, but takes longer for small matrices;
and for convolutions it depends on the layout in memory.

So nothing is assumed. The first time that a process meets an operation of some size, every kernel
computes an example with a known result (:mod:`fashionbench.portable.definition`); the fastest of
those that agree to the last bit is used from then on. That takes milliseconds per size. What is
tried must be what is computed later: the operands of a product are laid out as the example's were,
and a kernel for convolutions lays its operands out itself. The images that it returns are channels
last, whichever kernel it is: what ATen computes with them, such as the sum of a gradient for a bias
or batch normalisation in evaluation, has other bits for another layout.

If no kernel agrees, the first one is used and a warning names the operation: its bits then hold for
one kind of processor only.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from time import perf_counter
from typing import cast

import torch
from torch import Tensor

from fashionbench.portable import definition

CHUNK = 128
"""Terms in one chain of a product."""
NARROW = 16
"""Products with fewer columns are stored by column: stored by row, they get another order from MKL
for AMD in the columns that fill no whole vector."""

Kernel = Callable[..., Tensor]
Chunks = Sequence[Tensor]
"""The columns of a first factor, or the rows of a second one, ``CHUNK`` at a time."""
Layout = tuple[tuple[int, ...], tuple[int, ...]]
"""The shape and the strides of a tensor."""

choices: dict[str, dict[str, bool]] = {}
"""For each operation and size met by this process: which kernels give the defined bits."""

_log = logging.getLogger(__name__)
_TRIALS = 3
_SMALLEST = 16
"""Rows and columns below which both libraries have kernels with orders of their own."""


def layout(tensor: Tensor) -> Layout:
    """Return how a tensor lies in memory."""
    return tuple(tensor.shape), tensor.stride()


def empty_product(rows: int, b: Tensor) -> Tensor:
    """Return room for a product with a second factor b (k, n)."""
    columns = b.shape[1]
    return b.new_empty(columns, rows).t() if columns < NARROW else b.new_empty(rows, columns)


@cache
def product_kernel(a: Layout, b: Layout, out: Layout) -> Kernel:
    """Choose a kernel for products of a (m, k) and b (k, n), called with their chunks and out."""
    (m, k), (_, n) = a[0], b[0]
    example = definition.product_example(m, k, n, CHUNK)
    first, second = (
        torch.empty_strided(*place).copy_(operand)
        for place, operand in zip((a, b), example.operands, strict=True)
    )
    kernels: dict[str, Kernel] = {"MKL": _multiply_by_mkl, "oneDNN": _multiply_by_onednn}
    if min(m, n) < _SMALLEST:
        kernels["padded"] = _multiply_padded
    operands = [first.split(CHUNK, 1), second.split(CHUNK), torch.empty_strided(*out)]
    return _choose(f"product {m}x{k} by {k}x{n}", kernels, operands, example)


@cache
def batch_kernel(a: Layout, b: Layout, out: Layout) -> Kernel:
    """Choose a kernel for products of a (batch, m, k) and b (batch, k, n), matrix by matrix.

    It is called with their chunks and out.
    """
    (batch, m, k), (*_, n) = a[0], b[0]
    example = definition.product_example(m, k, n, CHUNK)
    first, second = (
        torch.empty_strided(*place).copy_(operand)
        for place, operand in zip((a, b), example.operands, strict=True)
    )
    single = product_kernel(*((shape[1:], strides[1:]) for shape, strides in (a, b, out)))
    kernels: dict[str, Kernel] = {
        "batch": _multiply_batch,
        "one by one": partial(_multiply_each, single),
    }
    operands = [first.split(CHUNK, 2), second.split(CHUNK, 1), torch.empty_strided(*out)]

    def agrees(found: Tensor) -> bool:
        return example.agrees(found[0]) and torch.equal(found, found[:1].expand_as(found))

    return _choose(
        f"{batch} products {m}x{k} by {k}x{n}",
        kernels,
        operands,
        definition.Example(example.operands, agrees),
    )


def _multiply_batch(a: Chunks, b: Chunks, out: Tensor) -> Tensor:
    torch.bmm(a[0], b[0], out=out)
    for chunk_a, chunk_b in zip(a[1:], b[1:], strict=True):
        out.baddbmm_(chunk_a, chunk_b)
    return out


def _multiply_each(multiply: Kernel, a: Chunks, b: Chunks, out: Tensor) -> Tensor:
    for number, result in enumerate(out):
        multiply([part[number] for part in a], [part[number] for part in b], result)
    return out


def _multiply_by_mkl(a: Chunks, b: Chunks, out: Tensor) -> Tensor:
    torch.mm(a[0], b[0], out=out)
    for chunk_a, chunk_b in zip(a[1:], b[1:], strict=True):
        out.addmm_(chunk_a, chunk_b)
    return out


def _multiply_by_onednn(a: Chunks, b: Chunks, out: Tensor) -> Tensor:
    for number, (chunk_a, chunk_b) in enumerate(zip(a, b, strict=True)):
        operands = _dense(chunk_a), _dense(chunk_b).t()
        # What torch.compile calls for a linear layer: the only way to oneDNN's float32 product.
        found = torch.ops.mkldnn._linear_pointwise(*operands, None, "none", [], "")
        out = out.add_(found) if number else out.copy_(found)
    return out


def _multiply_padded(a: Chunks, b: Chunks, out: Tensor) -> Tensor:
    """Multiply as oneDNN does, with rows and columns of zeros appended, for very small matrices."""
    (m, n), pad = out.shape, torch.nn.functional.pad
    rows, columns = max(0, _SMALLEST - m), max(0, _SMALLEST - n)
    padded_a = [pad(chunk, (0, 0, 0, rows)) for chunk in a]
    padded_b = [pad(chunk, (0, columns)) for chunk in b]
    padded_out = out.new_empty(m + rows, n + columns)
    return out.copy_(_multiply_by_onednn(padded_a, padded_b, padded_out)[:m, :n])


def _dense(matrix: Tensor) -> Tensor:
    """Copy a matrix whose rows or columns do not lie side by side: oneDNN takes seconds for it."""
    return matrix if matrix.is_contiguous() or matrix.t().is_contiguous() else matrix.contiguous()


@cache
def convolution_kernel(operation: str, shape: tuple[int, ...], filters: int) -> Kernel:
    """Choose a kernel for an operation on images (n, c, height, width) and so many filters.

    ``operation`` is convolution, input gradient or weight gradient.
    """
    example = _CONVOLUTION_EXAMPLES[operation](*shape, filters)
    kernels = dict(_CONVOLUTION_KERNELS[operation])
    if shape[1] > 1:
        kernels.pop("patches", None)
    name = f"{operation} {'x'.join(map(str, shape))} to {filters} filters"
    return _choose(name, kernels, [_channels_last(part) for part in example.operands], example)


def _convolve(inputs: Tensor, weight: Tensor) -> Tensor:
    return _channels_last(torch.conv2d(_channels_last(inputs), _channels_last(weight), padding=1))


def _convolve_planes(inputs: Tensor, weight: Tensor) -> Tensor:
    return _channels_last(torch.conv2d(_planes(inputs), _planes(weight), padding=1))


def _convolve_patches(inputs: Tensor, weight: Tensor) -> Tensor:
    """Convolve images of one channel as a product of their 3x3 patches and the filters."""
    n, _, height, width = inputs.shape
    padded = torch.nn.functional.pad(inputs.reshape(n, height, width), (1, 1, 1, 1))
    patches = padded.unfold(1, 3, 1).unfold(2, 3, 1).reshape(n * height * width, 9)
    by_tap = weight.reshape(-1, 9).t()
    out = empty_product(len(patches), by_tap)
    multiply = product_kernel(layout(patches), layout(by_tap), layout(out))
    # Nine terms are one chunk.
    multiply((patches,), (by_tap,), out)
    return _channels_last(out.view(n, height, width, -1).permute(0, 3, 1, 2))


def input_gradient(gradient: Tensor, inputs: Tensor, weight: Tensor) -> Tensor:
    """Return torch's gradient for the inputs of a convolution, given that for its outputs."""
    return _convolution_backward(gradient, inputs, weight, (True, False, False))[0]


def _input_gradient(gradient: Tensor, inputs: Tensor, weight: Tensor) -> Tensor:
    return _channels_last(input_gradient(*map(_channels_last, (gradient, inputs, weight))))


def _input_gradient_of_planes(gradient: Tensor, inputs: Tensor, weight: Tensor) -> Tensor:
    return _channels_last(input_gradient(*map(_planes, (gradient, inputs, weight))))


def weight_gradient(gradient: Tensor, inputs: Tensor, weight: Tensor) -> Tensor:
    """Return torch's gradient for the weight of a convolution, given that for its outputs."""
    return _convolution_backward(gradient, inputs, weight, (False, True, False))[1]


def _weight_gradient(gradient: Tensor, inputs: Tensor, weight: Tensor) -> Tensor:
    return weight_gradient(*map(_channels_last, (gradient, inputs, weight)))


def _weight_gradient_of_planes(gradient: Tensor, inputs: Tensor, weight: Tensor) -> Tensor:
    return weight_gradient(*map(_planes, (gradient, inputs, weight)))


def _convolution_backward(
    gradient: Tensor, inputs: Tensor, weight: Tensor, wanted: tuple[bool, bool, bool]
) -> tuple[Tensor, Tensor, Tensor]:
    found = torch.ops.aten.convolution_backward.default(
        gradient, inputs, weight, None, (1, 1), (1, 1), (1, 1), False, (0, 0), 1, wanted
    )
    return cast(tuple[Tensor, Tensor, Tensor], found)


def _channels_last(tensor: Tensor) -> Tensor:
    """Lay images or filters out pixel by pixel, the channels of a pixel side by side."""
    dense = tensor.contiguous(memory_format=torch.channels_last)
    _, channels, height, width = tensor.shape
    # Strides along a dimension of size one say nothing, but torch selects kernels by them.
    return dense.as_strided(
        tensor.shape, (channels * height * width, 1, channels * width, channels)
    )


def _planes(tensor: Tensor) -> Tensor:
    """Lay images or filters out channel by channel."""
    _, channels, height, width = tensor.shape
    return tensor.contiguous().as_strided(
        tensor.shape, (channels * height * width, height * width, width, 1)
    )


_CONVOLUTION_KERNELS: Mapping[str, Mapping[str, Kernel]] = {
    "convolution": {
        "channels last": _convolve,
        "planes": _convolve_planes,
        "patches": _convolve_patches,  # For one input channel only.
    },
    "input gradient": {"channels last": _input_gradient, "planes": _input_gradient_of_planes},
    "weight gradient": {"channels last": _weight_gradient, "planes": _weight_gradient_of_planes},
}
_CONVOLUTION_EXAMPLES: Mapping[str, Callable[..., definition.Example]] = {
    "convolution": definition.convolution_example,
    "input gradient": definition.input_gradient_example,
    "weight gradient": definition.weight_gradient_example,
}


def _choose(
    name: str,
    kernels: Mapping[str, Kernel],
    operands: Sequence[object],
    example: definition.Example,
) -> Kernel:
    """Return the fastest kernel that agrees with the example; only speed depends on the timing."""
    agreeing = _agreeing(kernels, operands, example)
    choices[name] = {kernel: kernel in agreeing for kernel in kernels}
    if not agreeing:
        _log.warning(
            f"no kernel computes the {name} as it is defined here: the bits of these results hold "
            "for this kind of processor only"
        )
        return next(iter(kernels.values()))
    if len(agreeing) == 1:
        return next(iter(agreeing.values()))
    return min(agreeing.values(), key=lambda compute: _seconds(compute, operands))


def _agreeing(
    kernels: Mapping[str, Kernel], operands: Sequence[object], example: definition.Example
) -> dict[str, Kernel]:
    """Return the kernels that agree with the example and, in all outputs, with the first of them.

    The definition is carried out for some outputs only.
    """
    agreeing: dict[str, Kernel] = {}
    first = None
    for kernel, compute in kernels.items():
        found = compute(*operands)
        if example.agrees(found) and (first is None or torch.equal(found, first)):
            agreeing[kernel] = compute
            # Kernels may compute in the same place.
            first = found.clone() if first is None else first
    return agreeing


def _seconds(compute: Kernel, operands: Sequence[object]) -> float:
    times = []
    for _ in range(_TRIALS):
        begin = perf_counter()
        compute(*operands)
        times.append(perf_counter() - begin)
    return min(times)
