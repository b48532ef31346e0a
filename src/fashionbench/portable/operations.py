"""The table of operations: which of ATen's have the same bits on every processor, and stand-ins.

A training step is a list of ATen's operations. On x86-64 processors with AVX2 and FMA, with ATen
capped to its code for AVX2 (:mod:`fashionbench.portable.processor`), on one thread and with numbers
below the smallest normal one counted as 0, most of them are the same instructions everywhere: they
are in ``AS_THEY_ARE``. Four kinds are not, and ``REPLACED`` holds functions to call instead, each
with the arguments of the operation whose name it bears:

- Products and convolutions belong to MKL and oneDNN, which order their sums by processor. Their
  stand-ins add in the order of :mod:`fashionbench.portable.arithmetic` and
  :mod:`fashionbench.portable.convolutions`.
- ``exp``, ``log``, ``sqrt``, ``tanh`` and others that torch's header ATen/cpu/vml.h names go to
  MKL's vector mathematics, which approximates by processor (``log10`` and ``asin`` differ between
  Haswell and Milan as well; for AVX-512 it has further code). The stand-ins compute in float64, by
  functions that ATen has from Sleef or by arithmetic alone, and round once to float32: most of
  their results are the nearest float32, and none is further away than one of its neighbours.
- ``gelu`` in its exact form belongs to oneDNN; in float64 it is ATen's.
- ``bernoulli_``, which dropout draws from, belongs to MKL; ``rand`` does not.

Stand-ins are for float32 on a CPU; for anything else they call torch's own operation, whose bits
hold for one kind of processor only. An operation in neither is not known to be portable.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from fashionbench.portable import arithmetic, convolutions, kernels

_own_gelu = cast(Callable[..., Tensor], torch.ops.aten.gelu.default)
_own_gelu_backward = cast(Callable[..., Tensor], torch.ops.aten.gelu_backward.default)
_own_logsumexp = cast(Callable[..., Tensor], torch.ops.aten.logsumexp.default)


def is_portable(target: str) -> bool:
    """Return whether an operation, such as aten.relu.default, has defined bits or a stand-in."""
    return target in AS_THEY_ARE or target in REPLACED


# Products


def mm(a: Tensor, b: Tensor) -> Tensor:
    """Multiply a (m, k) and b (k, n)."""
    if not arithmetic._is_defined_for(a) or 0 in (*a.shape, *b.shape):
        return torch.mm(a, b)
    return arithmetic.product(_dense(a), _dense(b)).contiguous()


def bmm(a: Tensor, b: Tensor) -> Tensor:
    """Multiply the matrices of a (batch, m, k) by those of b (batch, k, n)."""
    if not arithmetic._is_defined_for(a) or 0 in (*a.shape, *b.shape):
        return torch.bmm(a, b)
    a, b = _dense(a), _dense(b)
    rows, columns = a.shape[1], b.shape[2]
    if columns < kernels.NARROW:
        out = a.new_empty(len(a), columns, rows).transpose(1, 2)
    else:
        out = a.new_empty(len(a), rows, columns)
    multiply = kernels.batch_kernel(*map(kernels.layout, (a, b, out)))
    return multiply(a.split(kernels.CHUNK, 2), b.split(kernels.CHUNK, 1), out).contiguous()


def mv(a: Tensor, vector: Tensor) -> Tensor:
    """Multiply a (m, k) and a vector (k,)."""
    if not arithmetic._is_defined_for(a):
        return torch.mv(a, vector)
    return mm(a, vector[:, None])[:, 0]


def _dot(own: Callable[..., Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a function that multiplies vectors by ATen where torch's own would take MKL's."""

    def stand_in(a: Tensor, b: Tensor) -> Tensor:
        return arithmetic.dot(a, b) if arithmetic._is_defined_for(a) else own(a, b)

    return stand_in


def _plus(
    own: Callable[..., Tensor], multiply: Callable[[Tensor, Tensor], Tensor]
) -> Callable[..., Tensor]:
    """Return a function that adds beta times its first argument to alpha times a product."""

    def stand_in(
        added: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1
    ) -> Tensor:
        if not arithmetic._is_defined_for(a):
            return own(added, a, b, beta=beta, alpha=alpha)
        product = multiply(a, b) if alpha == 1 else multiply(a, b).mul_(alpha)
        if beta == 0:
            return product
        return product.add_(added if beta == 1 else added * beta)

    return stand_in


def _dense(factors: Tensor) -> Tensor:
    """Copy matrices (..., rows, columns) unless rows or columns lie apart, without gaps inside."""
    if factors.dim() > 2 and factors.stride(0) == 0:
        return factors.contiguous()
    (rows, columns), (down, right) = factors.shape[-2:], factors.stride()[-2:]
    fits = (right == 1 and down >= columns) or (down == 1 and right >= rows)
    return factors if fits else factors.contiguous()


# Functions of one number, computed in float64


def _stand_in(
    own: Callable[..., Tensor], compute: Callable[[Tensor], Tensor]
) -> Callable[[Tensor], Tensor]:
    """Return a function that computes by way of float64 where torch's own would take MKL's."""

    def stand_in(values: Tensor) -> Tensor:
        if not arithmetic._is_defined_for(values):
            return own(values)
        return compute(values.double()).float()

    return stand_in


def _exp(x: Tensor) -> Tensor:
    return x.mul_(1 / math.log(2)).exp2_()


def _log(x: Tensor) -> Tensor:
    # With a factor of 1, ATen's own logarithm.
    return torch.xlogy(1, x)


def _sqrt(x: Tensor) -> Tensor:
    """Take roots by the processor's own instruction, which rsqrt uses.

    The three roundings of float64 do not show: the root of a float32 differs from the middle of two
    neighbours by at least 2^-51 of itself.
    """
    return x.rsqrt_().reciprocal_()


def _tanh(x: Tensor) -> Tensor:
    # From 20 on, and long before, the nearest float32 is 1.
    grown = x.clamp_(-20, 20).mul_(2).expm1_()
    return grown.div_(grown + 2)


def _atan(x: Tensor) -> Tensor:
    return torch.atan2(x, x.new_ones(()))


def _erf(x: Tensor) -> Tensor:
    """Take the error function from gelu, in float64 ATen's: x * (1 + erf(x / sqrt(2))) / 2."""
    scaled = x.clamp(-6, 6).mul_(math.sqrt(2))
    found = _own_gelu(scaled).div_(scaled).mul_(2).sub_(1)
    # The difference to 1 keeps no digits of small numbers.
    return torch.where(x.abs() < 3e-6, x * (2 / math.sqrt(math.pi)), found)


def _erfc(x: Tensor) -> Tensor:
    size = x.abs()
    found = torch.special.erfcx(size).mul_(_exp(size.square().neg_()))
    return torch.where(x < 0, 2 - found, found)


def gelu(x: Tensor, *, approximate: str = "none") -> Tensor:
    """Return x times the probability that a normal number is below x; in float64 it is ATen's."""
    if approximate != "none" or not arithmetic._is_defined_for(x):
        return _own_gelu(x, approximate=approximate)
    return _own_gelu(x.double()).float()


def gelu_backward(gradient: Tensor, x: Tensor, *, approximate: str = "none") -> Tensor:
    """Return the gradient for x, given that for gelu's result."""
    if approximate != "none" or not arithmetic._is_defined_for(x):
        return _own_gelu_backward(gradient, x, approximate=approximate)
    return _own_gelu_backward(gradient.double(), x.double()).float()


_FUNCTIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    name: _stand_in(getattr(torch, name), compute)
    for name, compute in {
        "exp": _exp,
        "log": _log,
        "log2": lambda x: _log(x).mul_(1 / math.log(2)),
        "log10": lambda x: _log(x).mul_(1 / math.log(10)),
        "sqrt": _sqrt,
        "tanh": _tanh,
        "atan": _atan,
        "erf": _erf,
        "erfc": _erfc,
    }.items()
}


def power(x: Tensor, exponent: float) -> Tensor:
    """Return x to a power; ATen takes the square root for 0.5."""
    return _FUNCTIONS["sqrt"](x) if exponent == 0.5 else torch.pow(x, exponent)


def logsumexp(x: Tensor, dim: Sequence[int], keepdim: bool = False) -> Tensor:
    """Return the logarithm of the sum of exponentials over dimensions."""
    if not arithmetic._is_defined_for(x):
        return _own_logsumexp(x, dim, keepdim)
    dims = tuple(dim)
    most = x.amax(dims, keepdim=True)
    # The difference of infinities would be no number.
    most = most.masked_fill_(most.abs() == math.inf, 0)
    total = _FUNCTIONS["exp"](x - most).sum(dims, keepdim)
    return _FUNCTIONS["log"](total).add_(most if keepdim else most.amax(dims))


def native_batch_norm(images: Tensor, *others: Any, **named: Any) -> Any:
    """Normalise over the batch as torch does; in training from images whose channels lie apart.

    For images in channels-last order, torch's sums lose half of their digits.
    """
    is_training = others[4] if len(others) > 4 else named["training"]
    return torch.native_batch_norm(images.contiguous() if is_training else images, *others, **named)


def native_batch_norm_backward(gradient: Tensor, images: Tensor, *others: Any) -> Any:
    """Return the gradients of :func:`native_batch_norm`, from images in the same order."""
    return torch.ops.aten.native_batch_norm_backward.default(
        gradient.contiguous(), images.contiguous(), *others
    )


def bernoulli_(
    values: Tensor, p: float = 0.5, *, generator: torch.Generator | None = None
) -> Tensor:
    """Overwrite values with ones, with this probability, and zeros, not from MKL's generator."""
    drawn = torch.rand(values.shape, device=values.device, generator=generator)
    return values.copy_(drawn < p)


def _in_place(compute: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a function that writes the result over its first argument."""

    def overwrite(values: Tensor, *others: Any) -> Tensor:
        return values.copy_(compute(values, *others))

    return overwrite


REPLACED: Mapping[str, Callable[..., Any]] = {
    "aten.mm.default": mm,
    "aten.addmm.default": _plus(torch.addmm, mm),
    "aten.bmm.default": bmm,
    "aten.baddbmm.default": _plus(torch.baddbmm, bmm),
    "aten.mv.default": mv,
    "aten.addmv.default": _plus(torch.addmv, mv),
    "aten.dot.default": _dot(torch.dot),
    "aten.vdot.default": _dot(torch.vdot),
    "aten.convolution.default": convolutions.convolution,
    "aten.convolution_backward.default": convolutions.convolution_backward,
    "aten.gelu.default": gelu,
    "aten.gelu_backward.default": gelu_backward,
    "aten.logsumexp.default": logsumexp,
    "aten.native_batch_norm.default": native_batch_norm,
    "aten.native_batch_norm_backward.default": native_batch_norm_backward,
    "aten.bernoulli_.float": bernoulli_,
    "aten.pow.Tensor_Scalar": power,
    "aten.pow_.Scalar": _in_place(power),
    **{f"aten.{name}.default": compute for name, compute in _FUNCTIONS.items()},
    **{f"aten.{name}_.default": _in_place(compute) for name, compute in _FUNCTIONS.items()},
}
"""Stand-ins, by the operations in whose place they are called, with the same arguments."""

AS_THEY_ARE: frozenset[str] = frozenset(
    f"aten.{name}" if "." in name else f"aten.{name}.default"
    for names in (
        # Views.
        "_unsafe_view alias as_strided detach diagonal expand lift_fresh permute select.int "
        "slice.Tensor split.Tensor split_with_sizes squeeze squeeze.dim squeeze.dims t "
        "transpose.int unbind.int unfold unsafe_split.Tensor unsqueeze view",
        # Random numbers.
        "normal_ rand rand.generator rand_like rand_like.generator randn randn.generator "
        "randn_like randn_like.generator rrelu_with_noise rrelu_with_noise_backward uniform_",
        # Tensors made, copied, put together and taken apart.
        "_to_copy arange arange.start arange.start_step cat channel_shuffle clone col2im "
        "constant_pad_nd copy_ diagonal_backward embedding embedding_dense_backward "
        "empty.memory_format empty_like fill_.Scalar fill_.Tensor flip full full_like gather "
        "im2col index.Tensor index_add index_add_ index_fill.int_Tensor index_put index_put_ "
        "index_select lift_fresh_copy linspace masked_fill.Scalar masked_fill.Tensor "
        "masked_fill_.Scalar masked_fill_.Tensor new_empty new_empty_strided new_full "
        "new_ones new_zeros ones ones_like pixel_shuffle pixel_unshuffle reflection_pad1d "
        "reflection_pad1d_backward reflection_pad2d reflection_pad2d_backward repeat "
        "replication_pad1d replication_pad1d_backward replication_pad2d "
        "replication_pad2d_backward roll rot90 scalar_tensor scatter.src scatter.value "
        "scatter_.src scatter_.value scatter_add scatter_add_ select_backward select_scatter "
        "slice_backward slice_scatter sort stack topk tril triu unfold_backward where.self "
        "zero_ zeros zeros_like",
        # Comparisons.
        "all all.dim any any.dim argmax argmin bitwise_and.Tensor bitwise_and_.Tensor "
        "bitwise_not bitwise_or.Tensor eq.Scalar eq.Tensor ge.Scalar ge.Tensor gt.Scalar "
        "gt.Tensor isinf isnan le.Scalar le.Tensor logical_and logical_and_ logical_not "
        "logical_or logical_or_ lt.Scalar lt.Tensor ne.Scalar ne.Tensor",
        # Activations, softmax and losses, with gradients.
        "_ctc_loss.Tensor _ctc_loss_backward.Tensor _log_softmax _log_softmax_backward_data "
        "_prelu_kernel _prelu_kernel_backward _safe_softmax _softmax _softmax_backward_data "
        "binary_cross_entropy binary_cross_entropy_backward binary_cross_entropy_with_logits "
        "celu celu_ elu elu_ elu_backward glu glu_backward hardshrink hardshrink_backward "
        "hardsigmoid hardsigmoid_ hardsigmoid_backward hardswish hardswish_ "
        "hardswish_backward hardtanh hardtanh_ hardtanh_backward huber_loss "
        "huber_loss_backward leaky_relu leaky_relu_ leaky_relu_backward log_sigmoid_backward "
        "log_sigmoid_forward mish mish_ mish_backward mse_loss "
        "mse_loss_backward multi_margin_loss multi_margin_loss_backward "
        "multilabel_margin_loss_backward multilabel_margin_loss_forward nll_loss2d_backward "
        "nll_loss2d_forward nll_loss_backward nll_loss_forward relu relu_ sigmoid sigmoid_ "
        "sigmoid_backward silu silu_ silu_backward smooth_l1_loss smooth_l1_loss_backward "
        "soft_margin_loss soft_margin_loss_backward softplus softplus_backward softshrink "
        "softshrink_backward tanh_backward threshold threshold_ threshold_backward",
        # Normalisations, pooling and interpolation, with gradients.
        "_adaptive_avg_pool2d _adaptive_avg_pool2d_backward _adaptive_avg_pool3d "
        "_adaptive_avg_pool3d_backward _weight_norm_interface _weight_norm_interface_backward "
        "adaptive_max_pool2d adaptive_max_pool2d_backward avg_pool2d "
        "avg_pool2d_backward avg_pool3d avg_pool3d_backward fractional_max_pool2d "
        "fractional_max_pool2d_backward "
        "max_pool2d_with_indices max_pool2d_with_indices_backward max_pool3d_with_indices "
        "max_pool3d_with_indices_backward max_unpool2d "
        "native_group_norm native_group_norm_backward "
        "native_layer_norm native_layer_norm_backward upsample_bicubic2d "
        "upsample_bicubic2d_backward upsample_bilinear2d upsample_bilinear2d_backward "
        "upsample_linear1d upsample_linear1d_backward upsample_nearest1d "
        "upsample_nearest1d_backward upsample_nearest2d upsample_nearest2d_backward",
        # Sums and other reductions.
        "_trilinear amax amin cumprod cumsum cumsum_ linalg_vector_norm logcumsumexp max "
        "max.dim mean mean.dim median.dim min min.dim norm.ScalarOpt_dim prod prod.dim_int "
        "std.correction std_mean.correction sum sum.dim_IntList trace var.correction "
        "var_mean.correction",
        # Arithmetic and functions of numbers.
        "abs abs_ add.Scalar add.Tensor add_.Scalar add_.Tensor addcdiv addcmul atan2 ceil "
        "ceil_ clamp clamp.Tensor clamp_ clamp_max clamp_max.Tensor clamp_max_ clamp_min "
        "clamp_min.Tensor clamp_min_ clamp_min_.Tensor copysign.Tensor cosh div.Scalar "
        "div.Tensor div_.Scalar div_.Tensor exp2 exp2_ expm1 expm1_ floor floor_ hypot "
        "lerp.Scalar linalg_cross log1p log1p_ logaddexp maximum minimum mul.Scalar "
        "mul.Tensor mul_.Scalar mul_.Tensor nan_to_num neg neg_ pow.Scalar pow.Tensor_Tensor "
        "reciprocal reciprocal_ remainder.Scalar round round_ rsqrt rsqrt_ rsub.Scalar sgn "
        "sign sign_ sinh sub.Scalar sub.Tensor sub_.Scalar sub_.Tensor trunc trunc_ "
        "xlogy.Tensor",
    )
    for name in names.split()
)
"""Operations whose bits torch's own code for AVX2 defines."""
