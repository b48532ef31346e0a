"""The arithmetic of training and evaluation: in which order each operation adds.

The result of a float32 sum depends on its order, and libraries choose the order by processor. Here
the order is defined, and a kernel is used only where it keeps to the definition:

- **Product** of (m, k) and (k, n): the k terms of an output are cut into chunks of
  ``kernels.CHUNK``; the last may be shorter. Each chunk is a chain of fused multiply-adds in the
  order of k, starting at zero: ``s = fma(a[k], b[k], s)``, rounded to float32 every time. The
  chunks are added in order.
- **Convolution**, 3x3 with zeros around the image: for each output one chain of fused multiply-adds
  over kernel rows, kernel columns and input channels, the channels innermost.
- **Gradient of a convolution for its inputs**: the same with the kernel turned by 180 degrees, over
  the output channels.
- **Gradient of a convolution for its kernel**: one chain over images, rows and columns, the columns
  innermost.
- **Biases** are added last.
- **Everything else** (sums, softmax, batch normalisation, Adam, means in float64) is ATen's code
  for AVX2, which every process selects (:mod:`fashionbench.portable.processor`): the same
  instructions on every processor that has AVX2 and FMA. The scalar product :func:`dot` is one of
  ATen's sums, since ``torch.dot`` belongs to MKL.

Which of torch's kernels keep to this, :mod:`fashionbench.portable.kernels` finds out. In bfloat16
and on a GPU torch's own choice is used, whose bits hold for one kind of processor only.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from fashionbench.portable import kernels
from fashionbench.portable.kernels import Chunks, Kernel


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
            out = kernels.empty_product(len(a), b) if self._out is None else self._out
            found = self._by_size[size] = (
                kernels.product_kernel(*map(kernels.layout, (a, b, out))),
                out,
            )
        kernel, out = found
        if size[1] <= kernels.CHUNK:
            return kernel((a,), (b,), out)
        return kernel(self._chunks(a, 1), self._chunks(b, 0), out)

    def _chunks(self, tensor: Tensor, dimension: int) -> Chunks:
        """Split a tensor, unless the last one lay in the same place."""
        last = self._split.get(dimension)
        if last is None or last[0].data_ptr() != tensor.data_ptr() or last[0].shape != tensor.shape:
            last = self._split[dimension] = tensor, tensor.split(kernels.CHUNK, dimension)
        return last[1]


def bind(a: Tensor, b: Tensor, out: Tensor) -> Callable[[], Tensor]:
    """Return a function that multiplies a (m, k) and b (k, n) into ``out``, wherever they now lie.

    All three have to stay where they are.
    """
    if out.stride(0) == 1 != out.stride(1) and out.shape[1] >= kernels.NARROW:
        # The same outputs, written in the order in which they lie.
        a, b, out = b.t(), a.t(), out.t()
    if not _is_defined_for(a):
        return partial(torch.mm, a, b, out=out)
    kernel = kernels.product_kernel(*map(kernels.layout, (a, b, out)))
    return partial(kernel, a.split(kernels.CHUNK, 1), b.split(kernels.CHUNK, 0), out)


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
    kernel = kernels.convolution_kernel("convolution", tuple(inputs.shape), len(weight))
    return kernel(inputs, weight).add_(bias.view(-1, 1, 1))


def convolution_input_gradient(gradient: Tensor, inputs: Tensor, weight: Tensor) -> Tensor:
    """Return the gradient for the inputs (n, c, height, width), given that for the outputs."""
    if not _is_defined_for(inputs):
        return kernels.input_gradient(gradient, inputs, weight)
    kernel = kernels.convolution_kernel("input gradient", tuple(inputs.shape), len(weight))
    return kernel(gradient, inputs, weight)


def convolution_weight_gradient(gradient: Tensor, inputs: Tensor, weight: Tensor) -> Tensor:
    """Return the gradient for the weight (filters, c, 3, 3), given that for the outputs."""
    if not _is_defined_for(inputs):
        return kernels.weight_gradient(gradient, inputs, weight)
    kernel = kernels.convolution_kernel("weight gradient", tuple(inputs.shape), len(weight))
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
