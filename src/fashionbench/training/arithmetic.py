"""The arithmetic of training and evaluation: in which order each operation adds.

The result of a float32 sum depends on its order, and libraries choose the order by processor. Here
the order is defined, and a kernel is used only where it keeps to the definition:

- **Product** of (m, k) and (k, n): the k terms of an output are cut into chunks of ``CHUNK``; the
  last may be shorter. Each chunk is a chain of fused multiply-adds in the order of k, starting at
  zero: ``s = fma(a[k], b[k], s)``, rounded to float32 every time. The chunks are added in order.
- **Convolution**, 3x3 with zeros around the image: for each output one chain of fused multiply-adds
  over kernel rows, kernel columns and input channels, the channels innermost.
- **Gradient of a convolution for its inputs**: the same with the kernel turned by 180 degrees, over
  the output channels.
- **Gradient of a convolution for its kernel**: one chain over images, rows and columns, the columns
  innermost.
- **Biases** are added last.
- **Everything else** (sums, softmax, batch normalisation, Adam, means in float64) is ATen's code
  for AVX2, which every process selects (:mod:`fashionbench.pipeline.processor`): the same
  instructions on every processor that has AVX2 and FMA. The scalar product :func:`dot` is one of
  ATen's sums, since ``torch.dot`` belongs to MKL.

Well-made kernels compute an output as such a chain whatever the width of their vectors, because
each lane holds another output. They differ in where they cut long sums to fit a cache: MKL for AMD
cuts what is longer than 128 terms, and MKL for Intel changes the order for some sizes; oneDNN does
neither, but takes longer for small matrices; and for convolutions it depends on the layout in
memory. So nothing is assumed. The first time that a process meets an operation of some size, every
kernel computes an example with a known result (:mod:`fashionbench.training.definition`); the
fastest of those that agree to the last bit is used from then on. That takes milliseconds per size.

If no kernel agrees, torch's own choice is used and a warning names the operation: its bits then
hold for one kind of processor only, as they do in bfloat16 and on a GPU.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from time import perf_counter
from typing import cast

import torch
from torch import Tensor

from fashionbench.training import definition

CHUNK = 128
"""Terms in one chain of a product."""
NARROW = 16
"""Products with fewer columns are stored by column: stored by row, they get another order from MKL
for AMD in the columns that fill no whole vector."""

choices: dict[str, dict[str, bool]] = {}
"""For each operation and size met by this process: which kernels give the defined bits."""

_log = logging.getLogger(__name__)
_TRIALS = 3
_SMALLEST = 16
"""Rows and columns below which both libraries have kernels with orders of their own."""
Kernel = Callable[..., Tensor]
Chunks = Sequence[Tensor]
"""The columns of a first factor, or the rows of a second one, ``CHUNK`` at a time."""
_Layout = tuple[tuple[int, ...], tuple[int, ...]]
"""The shape and the strides of a tensor."""


def product(a: Tensor, b: Tensor) -> Tensor:
    """Multiply a (m, k) and b (k, n)."""
    return Product()(a, b)


class Product:
    """A product in a loop: what does not change from step to step is done once.

    Operands of one size are laid out in memory as at the first call with that size. The result is
    overwritten by the next call with as many rows.
    """

    def __init__(self, out: Tensor | None = None) -> None:
        """Write results into ``out``, or into a buffer of its own for each number of rows."""
        self._out = out
        self._by_size: dict[tuple[int, ...], tuple[Kernel, Tensor]] = {}
        self._split: dict[int, tuple[Tensor, Chunks]] = {}

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Multiply a (m, k) and b (k, n)."""
        if not _is_defined_for(a):
            return torch.mm(a, b, out=self._out)
        size = tuple(a.shape)
        found = self._by_size.get(size)
        if found is None:
            out = _empty(len(a), b) if self._out is None else self._out
            found = self._by_size[size] = _product_kernel(_layout(a), _layout(b), _layout(out)), out
        kernel, out = found
        if size[1] <= CHUNK:
            return kernel((a,), (b,), out)
        return kernel(self._chunks(a, 1), self._chunks(b, 0), out)

    def _chunks(self, tensor: Tensor, dimension: int) -> Chunks:
        """Split a tensor, unless the last one lay in the same place."""
        last = self._split.get(dimension)
        if last is None or last[0].data_ptr() != tensor.data_ptr() or last[0].shape != tensor.shape:
            last = self._split[dimension] = tensor, tensor.split(CHUNK, dimension)
        return last[1]


def _empty(rows: int, b: Tensor) -> Tensor:
    columns = b.shape[1]
    return b.new_empty(columns, rows).t() if columns < NARROW else b.new_empty(rows, columns)


def linear(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Apply a fully connected layer to (n, inputs): weight (outputs, inputs), bias (outputs,)."""
    if not _is_defined_for(inputs):
        return torch.nn.functional.linear(inputs, weight, bias)
    return product(inputs, weight.t()).add_(bias)


def convolution(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Convolve (n, c, height, width) with weight (filters, c, 3, 3), padded by 1; bias (filters,).

    Inputs and outputs are in torch's channels-last memory format.
    """
    if not _is_defined_for(inputs):
        return torch.conv2d(inputs, weight, bias, padding=1)
    kernel = _convolution_kernel("convolution", tuple(inputs.shape), len(weight))
    return kernel(inputs, weight).add_(bias.view(-1, 1, 1))


def convolution_input_gradient(gradient: Tensor, inputs: Tensor, weight: Tensor) -> Tensor:
    """Return the gradient for the inputs (n, c, height, width), given that for the outputs."""
    if not _is_defined_for(inputs):
        return _input_gradient(gradient, inputs, weight)
    kernel = _convolution_kernel("input gradient", tuple(inputs.shape), len(weight))
    return kernel(gradient, inputs, weight)


def convolution_weight_gradient(gradient: Tensor, inputs: Tensor, weight: Tensor) -> Tensor:
    """Return the gradient for the weight (filters, c, 3, 3), given that for the outputs."""
    if not _is_defined_for(inputs):
        return _weight_gradient(gradient, inputs, weight)
    kernel = _convolution_kernel("weight gradient", tuple(inputs.shape), len(weight))
    return kernel(gradient, inputs, weight)


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Return the scalar product of two vectors, as a scalar tensor."""
    return (a * b).sum()


def _is_defined_for(tensor: Tensor) -> bool:
    return (
        tensor.dtype == torch.float32
        and tensor.device.type == "cpu"
        and not torch.is_autocast_enabled("cpu")
    )


def _layout(tensor: Tensor) -> _Layout:
    return tuple(tensor.shape), tensor.stride()


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


def _convolve(inputs: Tensor, weight: Tensor) -> Tensor:
    return torch.conv2d(inputs, weight, padding=1)


def _convolve_planes(inputs: Tensor, weight: Tensor) -> Tensor:
    return _channels_last(_convolve(_planes(inputs), weight.contiguous()))


def _convolve_patches(inputs: Tensor, weight: Tensor) -> Tensor:
    """Convolve images of one channel as a product of their 3x3 patches and the kernels."""
    n, _, height, width = inputs.shape
    padded = torch.nn.functional.pad(inputs.reshape(n, height, width), (1, 1, 1, 1))
    patches = padded.unfold(1, 3, 1).unfold(2, 3, 1).reshape(n * height * width, 9)
    out = product(patches, weight.reshape(-1, 9).t())
    return out.view(n, height, width, -1).permute(0, 3, 1, 2)


def _input_gradient(gradient: Tensor, inputs: Tensor, weight: Tensor) -> Tensor:
    return _convolution_backward(gradient, inputs, weight, (True, False, False))[0]


def _input_gradient_of_planes(gradient: Tensor, inputs: Tensor, weight: Tensor) -> Tensor:
    operands = _planes(gradient), _planes(inputs), weight.contiguous()
    return _channels_last(_input_gradient(*operands))


def _weight_gradient(gradient: Tensor, inputs: Tensor, weight: Tensor) -> Tensor:
    return _convolution_backward(gradient, inputs, weight, (False, True, False))[1]


def _weight_gradient_of_planes(gradient: Tensor, inputs: Tensor, weight: Tensor) -> Tensor:
    return _weight_gradient(_planes(gradient), _planes(inputs), weight.contiguous())


def _convolution_backward(
    gradient: Tensor, inputs: Tensor, weight: Tensor, wanted: tuple[bool, bool, bool]
) -> tuple[Tensor, Tensor, Tensor]:
    found = torch.ops.aten.convolution_backward.default(
        gradient, inputs, weight, None, (1, 1), (1, 1), (1, 1), False, (0, 0), 1, wanted
    )
    return cast(tuple[Tensor, Tensor, Tensor], found)


def _channels_last(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=torch.channels_last)


def _planes(tensor: Tensor) -> Tensor:
    """Lay images out channel by channel."""
    # Viewed anew since the strides of one channel could mean either layout.
    return tensor.contiguous().view(-1).view(tensor.shape)


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


@cache
def _product_kernel(a: _Layout, b: _Layout, out: _Layout) -> Kernel:
    (m, k), (_, n) = a[0], b[0]
    example = definition.product_example(m, k, n, CHUNK)
    first, second = (
        torch.empty_strided(*layout).copy_(operand)
        for layout, operand in zip((a, b), example.operands, strict=True)
    )
    kernels: dict[str, Kernel] = {"MKL": _multiply_by_mkl, "oneDNN": _multiply_by_onednn}
    if min(m, n) < _SMALLEST:
        kernels["padded"] = _multiply_padded
    operands = [first.split(CHUNK, 1), second.split(CHUNK), torch.empty_strided(*out)]
    return _choose(f"product {m}x{k} by {k}x{n}", kernels, operands, example)


@cache
def _convolution_kernel(operation: str, shape: tuple[int, ...], filters: int) -> Kernel:
    example = _CONVOLUTION_EXAMPLES[operation](*shape, filters)
    kernels = dict(_CONVOLUTION_KERNELS[operation])
    if shape[1] > 1:
        kernels.pop("patches", None)
    name = f"{operation} {'x'.join(map(str, shape))} to {filters} filters"
    return _choose(name, kernels, [_channels_last(part) for part in example.operands], example)


def _choose(
    name: str,
    kernels: Mapping[str, Kernel],
    operands: Sequence[object],
    example: definition.Example,
) -> Kernel:
    """Return the fastest kernel that agrees with the example; only speed depends on the timing."""
    agreeing = {
        kernel: compute for kernel, compute in kernels.items() if example.agrees(compute(*operands))
    }
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


def _seconds(compute: Kernel, operands: Sequence[object]) -> float:
    times = []
    for _ in range(_TRIALS):
        begin = perf_counter()
        compute(*operands)
        times.append(perf_counter() - begin)
    return min(times)
