"""The definition that :mod:`fashionbench.portable.arithmetic` gives, carried out to the letter.

Each function draws operands of the given sizes and returns them with the results that follow from
the definition, so that a kernel can be checked. Far too slow for training: terms are added one by
one in float64. Operands are multiples of 2^-15 below 1. Their products have more digits than a
float32, so that a kernel which rounds them gives other results, and nearly every addition rounds,
so that another order does. All are multiples of 2^-30, and so are sums of them: below 2^23 these
are exact in float64, and rounding them to float32 gives what a fused multiply-add gives.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

_MOST_TERMS = 800
"""In longer chains the other terms are zero: they change no sum and need not be carried out."""
_MOST_ROWS, _MOST_COLUMNS = 16, 512
"""Outputs that are compared, spread evenly: the first, the last and those between, since kernels
treat what does not fill a whole vector or tile apart."""
_DIGITS = 15
"""Binary digits of an operand, after the point."""


@dataclass(frozen=True)
class Example:
    """Operands of an operation, and a check of its result against the definition."""

    operands: tuple[Tensor, ...]
    agrees: Callable[[Tensor], bool]


def product_example(m: int, k: int, n: int, chunk: int) -> Example:
    """Return an example of a (m, k) times b (k, n), summed in chunks of ``chunk``."""
    terms = _spread(k, _MOST_TERMS)
    a, b = _without_others(_random(m, k), 1, terms), _random(k, n)
    rows, columns = _spread(m, _MOST_ROWS), _spread(n, _MOST_COLUMNS)
    some_a, some_b = a[rows], b[:, columns]
    total = torch.zeros(len(rows), len(columns))
    for begin in range(0, k, chunk):
        inside = terms[(terms >= begin) & (terms < begin + chunk)]
        total += chain(some_a[:, inside], some_b[inside])
    return Example((a, b), lambda found: torch.equal(found[rows][:, columns], total))


def convolution_example(n: int, c: int, height: int, width: int, filters: int) -> Example:
    """Return an example of images (n, c, height, width) and a kernel (filters, c, 3, 3)."""
    images, kernel = _random(n, c, height, width), _random(filters, c, 3, 3)
    return Example((images, kernel), _agrees_with_chains(images, kernel))


def input_gradient_example(n: int, c: int, height: int, width: int, filters: int) -> Example:
    """Return an example of the outputs' gradient, the images and the kernel."""
    gradient, kernel = _random(n, filters, height, width), _random(filters, c, 3, 3)
    turned = kernel.flip(2, 3).transpose(0, 1)
    images = _random(n, c, height, width)
    return Example((gradient, images, kernel), _agrees_with_chains(gradient, turned))


def weight_gradient_example(n: int, c: int, height: int, width: int, filters: int) -> Example:
    """Return an example of the outputs' gradient, the images and the kernel."""
    images, kernel = _random(n, c, height, width), _random(filters, c, 3, 3)
    pixels = n * height * width
    terms = _spread(pixels, _MOST_TERMS)
    by_pixel = _without_others(_random(pixels, filters), 0, terms)
    gradient = by_pixel.view(n, height, width, filters).permute(0, 3, 1, 2)
    expected = chain(_patches(images)[terms].t(), by_pixel[terms])

    def agrees(found: Tensor) -> bool:
        return torch.equal(found.permute(2, 3, 1, 0).reshape(expected.shape), expected)

    return Example((gradient, images, kernel), agrees)


def chain(a: Tensor, b: Tensor) -> Tensor:
    """Multiply a (m, k) and b (k, n), each output by one chain of fused multiply-adds from zero.

    Exact for multiples of 2^-15 below 1.
    """
    total = torch.zeros(len(a), b.shape[1])
    for column, row in zip(a.double().split(1, 1), b.double().split(1), strict=True):
        total = torch.addcmul(total.double(), column, row).float()
    return total


def _agrees_with_chains(images: Tensor, kernel: Tensor) -> Callable[[Tensor], bool]:
    n, _, height, width = images.shape
    some = [0, n - 1], [0, height // 2, height - 1]
    patches = _patches(images).view(n, height, width, -1)[some[0]][:, some[1]]
    by_tap = kernel.permute(2, 3, 1, 0).flatten(0, 2)
    expected = chain(patches.flatten(0, 2), by_tap).view(2, 3, width, -1)
    return lambda found: torch.equal(found.permute(0, 2, 3, 1)[some[0]][:, some[1]], expected)


def _patches(images: Tensor) -> Tensor:
    """Return what a 3x3 kernel covers at each pixel: (pixels, rows * columns * channels)."""
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1))
    windows = padded.unfold(2, 3, 1).unfold(3, 3, 1)
    return windows.permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(0, 2)


def _random(*shape: int) -> Tensor:
    """Draw float32 numbers between -1 and 1 of few digits, the same each time."""
    generator, bound = torch.Generator().manual_seed(sum(shape)), 2**_DIGITS
    return torch.randint(1 - bound, bound, shape, generator=generator).float().div_(bound)


def _spread(size: int, most: int) -> Tensor:
    """Return at most ``most`` positions below ``size``, evenly spread, both ends among them."""
    return torch.linspace(0, size - 1, min(size, most), dtype=torch.float64).round().long()


def _without_others(tensor: Tensor, dimension: int, kept: Tensor) -> Tensor:
    zeros = torch.zeros_like(tensor)
    return zeros.index_copy_(dimension, kept, tensor.index_select(dimension, kept))
