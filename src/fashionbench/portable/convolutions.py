"""Convolutions of any geometry in a defined order, and their gradients.

What is there for one kind of convolution (3x3, stride 1, zeros around the image) is used for it:
:mod:`fashionbench.portable.arithmetic`. All others are products, one for each group of channels, in
the order defined there:

- **Convolution**: the weight (filters, channels * taps) by the patches (channels * taps, images *
  positions). A patch is what the kernel covers at one position, and a tap one element of a kernel.
- **Gradient for the weight**: the outputs' gradient (filters, images * positions) by the patches,
  for each block of images; the blocks are added in order. A block is as many images as have at most
  ``BLOCK`` values in their patches, and at least one.
- **Gradient for the inputs**: the transposed weight by the outputs' gradient gives that of each
  element of each patch; they are added tap by tap, in the order of the kernel.
- **Transposed convolutions** are the gradient for the inputs of a convolution.
- **Groups of one channel** (depthwise): a product would have one row. Instead the taps are added in
  their order by ATen's addcmul, also for the inputs, and its sums make the gradient for the weight.

Biases are added last. Results lie in memory as torch's own do, since what follows may depend on it.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import product as every
from math import prod
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from fashionbench.portable import arithmetic, kernels

BLOCK = 2**21
"""Values of patches that are in memory at a time: 8 MiB, about what a processor's cache holds."""

Sizes = Sequence[int]
Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]

_own = torch.ops.aten.convolution.default
_own_gradients = torch.ops.aten.convolution_backward.default


class _Geometry(NamedTuple):
    """The last arguments of ``aten.convolution``."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    transposed: bool
    output_padding: tuple[int, ...]
    groups: int

    def is_exact_already(self, weight: Tensor) -> bool:
        """Return whether :mod:`fashionbench.portable.arithmetic` has it, apart from transposing."""
        how = (self.stride, self.padding, self.dilation, self.groups)
        return weight.shape[2:] == (3, 3) and how == ((1, 1), (1, 1), (1, 1), 1)

    def is_depthwise(self, weight: Tensor) -> bool:
        """Return whether each group has one channel."""
        return self.groups > 1 and weight.shape[1] == 1


def convolution(inputs: Tensor, weight: Tensor, bias: Tensor | None, *how: Any) -> Tensor:
    """Convolve images (n, c, ...) as ``aten.convolution`` does, with the same arguments."""
    if not arithmetic._is_defined_for(inputs) or 0 in (*inputs.shape, *weight.shape):
        return cast(Tensor, _own(inputs, weight, bias, *how))
    geometry = _geometry(how, weight)
    shape, strides = _result_layout(kernels.layout(inputs), kernels.layout(weight), geometry)
    if geometry.transposed:
        result = _input_gradient(inputs, weight, geometry, shape[2:])
    else:
        result = _convolve(inputs, weight, geometry)
    if bias is not None:
        result = result.add_(bias.view(-1, *(1,) * (weight.dim() - 2)))
    return _laid_out(result, strides)


def convolution_backward(
    gradient: Tensor, inputs: Tensor, weight: Tensor, bias_sizes: Sizes | None, *how: Any
) -> Gradients:
    """Return the gradients for inputs, weight and bias, None for those that are not wanted.

    The arguments are those of ``aten.convolution_backward``.
    """
    if not arithmetic._is_defined_for(inputs) or 0 in (*inputs.shape, *weight.shape):
        return cast(Gradients, _own_gradients(gradient, inputs, weight, bias_sizes, *how))
    geometry, wanted = _geometry(how[:-1], weight), tuple(how[-1])
    layouts = _gradient_layouts(*map(kernels.layout, (gradient, inputs, weight)), geometry, wanted)
    for_inputs = for_weight = for_bias = None
    if wanted[0]:
        if geometry.transposed:
            for_inputs = _convolve(gradient, weight, geometry)
        else:
            for_inputs = _input_gradient(gradient, weight, geometry, inputs.shape[2:])
        for_inputs = _laid_out(for_inputs, layouts[0])
    if wanted[1]:
        images, outputs = (gradient, inputs) if geometry.transposed else (inputs, gradient)
        for_weight = _laid_out(_weight_gradient(outputs, images, weight, geometry), layouts[1])
    if wanted[2]:
        for_bias = gradient.sum((0, *range(2, gradient.dim())))
    return for_inputs, for_weight, for_bias


def _geometry(how: Iterable[Any], weight: Tensor) -> _Geometry:
    """Take the arguments of an operation, of which one size may stand for all dimensions."""
    dimensions = weight.dim() - 2
    return _Geometry._make(
        each if isinstance(each, int) else tuple(each) * (dimensions // len(each)) for each in how
    )


def _convolve(inputs: Tensor, weight: Tensor, geometry: _Geometry) -> Tensor:
    if geometry.is_exact_already(weight):
        kernel = kernels.convolution_kernel("convolution", tuple(inputs.shape), len(weight))
        return kernel(inputs, weight)
    sizes = [
        (size + 2 * pad - dil * (taps - 1) - 1) // step + 1
        for size, pad, dil, taps, step in zip(
            inputs.shape[2:], geometry.padding, geometry.dilation, weight.shape[2:],
            geometry.stride, strict=True,
        )
    ]  # fmt: skip
    images = _padded(inputs, geometry)
    if geometry.is_depthwise(weight):
        images = images.repeat_interleave(len(weight) // geometry.groups, 1)
        total = None
        for tap, scale in _taps(weight):
            part = images[_covered(tap, sizes, geometry)]
            total = part * scale if total is None else total.addcmul_(part, scale)
        return cast(Tensor, total)
    n, positions = len(images), prod(sizes)
    found = images.new_empty(len(weight), n * positions)
    for block in _blocks(n, positions * images.shape[1] * weight[0, 0].numel()):
        patches = _patches(images[block], weight.shape[2:], sizes, geometry)
        part = found[:, block.start * positions : block.stop * positions]
        _multiply(*(each.chunk(geometry.groups) for each in (weight.flatten(1), patches, part)))
    return found.view(-1, n, *sizes).transpose(0, 1)


def _input_gradient(gradient: Tensor, weight: Tensor, geometry: _Geometry, sizes: Sizes) -> Tensor:
    n, channels = len(gradient), weight.shape[1] * geometry.groups
    if geometry.is_exact_already(weight):
        return arithmetic.convolution_input_gradient(
            gradient, gradient.new_empty(n, channels, *sizes), weight
        )
    padded = [size + 2 * pad for size, pad in zip(sizes, geometry.padding, strict=True)]
    positions = gradient.shape[2:]
    # Channel by channel.
    total = gradient.new_zeros(channels, n, *padded)
    if geometry.is_depthwise(weight):
        by_filter = gradient.transpose(0, 1).unflatten(0, (channels, -1)).unbind(1)
        for tap, scale in _taps(weight):
            part = total[_covered(tap, positions, geometry)]
            for values, factor in zip(
                by_filter, scale.unflatten(0, (channels, 1, -1)).unbind(2), strict=True
            ):
                part.addcmul_(values, factor)
    else:
        by_weight = [part.t() for part in weight.flatten(1).chunk(geometry.groups)]
        rows = channels * weight[0, 0].numel()
        for block in _blocks(n, prod(positions) * rows):
            part = _by_channel(gradient[block])
            by_tap = part.new_empty(rows, part.shape[1])
            _multiply(by_weight, part.chunk(geometry.groups), by_tap.chunk(geometry.groups))
            found = by_tap.view(channels, -1, block.stop - block.start, *positions).unbind(1)
            for tap, values in zip(every(*map(range, weight.shape[2:])), found, strict=True):
                total[:, block][_covered(tap, positions, geometry)] += values
    for dimension, (size, pad) in enumerate(zip(sizes, geometry.padding, strict=True), 2):
        total = total.narrow(dimension, pad, size)
    return total.transpose(0, 1)


def _weight_gradient(
    gradient: Tensor, inputs: Tensor, weight: Tensor, geometry: _Geometry
) -> Tensor:
    if geometry.is_exact_already(weight):
        return arithmetic.convolution_weight_gradient(gradient, inputs, weight)
    sizes = gradient.shape[2:]
    images = _padded(inputs, geometry)
    if geometry.is_depthwise(weight):
        images = images.repeat_interleave(len(weight) // geometry.groups, 1).transpose(0, 1)
        gradient = gradient.transpose(0, 1).contiguous()
        room = torch.empty_like(gradient)
        sums = [
            torch.mul(images[_covered(tap, sizes, geometry)], gradient, out=room).flatten(1).sum(1)
            for tap, _ in _taps(weight)
        ]
        return torch.stack(sums, 1).view(weight.shape)
    total = torch.zeros_like(weight, memory_format=torch.contiguous_format)
    found = torch.empty_like(total)
    for block in _blocks(len(images), prod(sizes) * images.shape[1] * weight[0, 0].numel()):
        patches = _patches(images[block], weight.shape[2:], sizes, geometry)
        _multiply(
            _by_channel(gradient[block]).chunk(geometry.groups),
            [part.t() for part in patches.chunk(geometry.groups)],
            found.flatten(1).chunk(geometry.groups),
        )
        total += found
    return total


def _blocks(n: int, values: int) -> Iterator[slice]:
    """Cut n images, whose patches have so many values each, into blocks."""
    size = max(1, BLOCK // values)
    return (slice(begin, min(begin + size, n)) for begin in range(0, n, size))


def _multiply(factors: Iterable[Tensor], others: Iterable[Tensor], outs: Iterable[Tensor]) -> None:
    """Fill the matrices of ``outs``, one for each group of channels."""
    for factor, other, out in zip(factors, others, outs, strict=True):
        arithmetic.Product(out)(factor, other)


def _padded(images: Tensor, geometry: _Geometry) -> Tensor:
    """Return images in torch's default memory format, with zeros around them."""
    images = images.contiguous()
    around = [pad for pad in reversed(geometry.padding) for _ in range(2)]
    return torch.nn.functional.pad(images, around) if any(around) else images


def _taps(weight: Tensor) -> list[tuple[tuple[int, ...], Tensor]]:
    """Return the taps of a depthwise kernel with their factors (filters, 1, ...), in order."""
    places = every(*map(range, weight.shape[2:]))
    by_tap = weight.flatten(1).unbind(1)
    ones = (1,) * (weight.dim() - 2)
    return [(tap, scale.view(-1, *ones)) for tap, scale in zip(places, by_tap, strict=True)]


def _covered(tap: Sizes, sizes: Sizes, geometry: _Geometry) -> tuple[Any, ...]:
    """Return the index of the elements of padded images that a tap covers, at all positions."""
    slices = [
        slice(place * dil, place * dil + step * (size - 1) + 1, step)
        for place, dil, step, size in zip(
            tap, geometry.dilation, geometry.stride, sizes, strict=True
        )
    ]
    return (slice(None), slice(None), *slices)


def _patches(images: Tensor, kernel: Sizes, sizes: Sizes, geometry: _Geometry) -> Tensor:
    """Return the patches (channels * taps, images * positions)."""
    n, channels, *_ = images.shape
    by_image, by_channel, *steps = images.stride()
    windows = images.as_strided(
        (channels, *kernel, n, *sizes),
        (
            by_channel,
            *(step * dil for step, dil in zip(steps, geometry.dilation, strict=True)),
            by_image,
            *(step * by for step, by in zip(steps, geometry.stride, strict=True)),
        ),
    )
    return windows.reshape(channels * prod(kernel), n * prod(sizes))


def _by_channel(images: Tensor) -> Tensor:
    """Return the values (channels, images * positions)."""
    return images.transpose(0, 1).flatten(1).contiguous()


@cache
def _result_layout(
    inputs: kernels.Layout, weight: kernels.Layout, geometry: _Geometry
) -> kernels.Layout:
    """Return how torch's own result lies in memory."""
    operands = torch.empty_strided(*inputs), torch.empty_strided(*weight)
    return kernels.layout(_own(*operands, None, *geometry))


@cache
def _gradient_layouts(
    gradient: kernels.Layout,
    inputs: kernels.Layout,
    weight: kernels.Layout,
    geometry: _Geometry,
    wanted: tuple[bool, ...],
) -> tuple[tuple[int, ...], ...]:
    """Return the strides of torch's own gradients for inputs and weight."""
    operands = (torch.empty_strided(*layout) for layout in (gradient, inputs, weight))
    found = _own_gradients(*operands, None, *geometry, (*wanted[:2], False))
    return tuple(() if part is None else part.stride() for part in found)


def _laid_out(result: Tensor, strides: tuple[int, ...]) -> Tensor:
    differ = any(
        size > 1 and ours != theirs
        for size, ours, theirs in zip(result.shape, result.stride(), strides, strict=True)
    )
    return result.new_empty_strided(result.shape, strides).copy_(result) if differ else result
