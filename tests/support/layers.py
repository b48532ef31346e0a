"""Layers, losses and functions that modules are made of, computed with the table of operations."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

from fashionbench.portable.operations import REPLACED

Case = tuple[nn.Module, tuple[int, ...]]
"""A module and the shape of its inputs."""
IMAGES, ROWS, WORDS = (4, 6, 9, 9), (4, 9), (3, 5, 8)
MANY = (64, 257)
"""Numbers for functions: where processors approximate differently, one in a thousand shows it."""


class Tabled(TorchDispatchMode):
    """Calls stand-ins for the operations that the table replaces, and keeps the names of all."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: set[str] = set()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        self.names.add(str(func))
        return REPLACED.get(str(func), func)(*args, **(kwargs or {}))


class Function(nn.Module):
    """A function of inputs and, perhaps, other modules."""

    def __init__(self, compute: Callable[..., Tensor], *modules: nn.Module) -> None:
        super().__init__()
        self.compute, self.others = compute, nn.ModuleList(modules)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.compute(inputs, *self.others)


def results(module: nn.Module, inputs: Tensor) -> list[Tensor]:
    """Return outputs, the gradients of their weighted sum, and the buffers afterwards."""
    with sdpa_kernel(SDPBackend.MATH):
        inputs = inputs.detach().requires_grad_()
        outputs = module(inputs)
        gradients: Iterable[Tensor | None] = ()
        if outputs.requires_grad:
            weights = torch.linspace(0.5, 1, outputs.numel(), dtype=outputs.dtype)
            parameters = [inputs, *module.parameters()]
            gradients = torch.autograd.grad(
                outputs, parameters, weights.view(outputs.shape), allow_unused=True
            )
    return [outputs.detach(), *(g for g in gradients if g is not None), *module.buffers()]


def cases() -> dict[str, Case]:
    """Return new modules, the same each time."""
    torch.manual_seed(0)
    return {
        **_convolutions(),
        **_layers(),
        **_activations(),
        **{name: (Function(f), MANY) for name, f in _FUNCTIONS.items()},
        **{name: (Function(f), IMAGES) for name, f in _OF_IMAGES.items()},
        **{f"{name} in place": (_in_place(name), MANY) for name in _IN_PLACE.split()},
        **_losses(),
    }


def inputs_of(case: Case) -> Tensor:
    """Return the same inputs for a case each time."""
    return torch.randn(case[1], generator=torch.Generator().manual_seed(1))


GEOMETRIES: Mapping[str, tuple[type[nn.Module], dict[str, Any], tuple[int, ...]]] = {
    "3x3": (nn.Conv2d, {"padding": 1}, IMAGES),
    "1x1": (nn.Conv2d, {"kernel_size": 1, "bias": False}, IMAGES),
    "1x1 strided": (nn.Conv2d, {"kernel_size": 1, "stride": 2}, IMAGES),
    "3x3 inside": (nn.Conv2d, {}, IMAGES),
    "3x3 strided": (nn.Conv2d, {"stride": 2, "padding": 1}, IMAGES),
    "dilated": (nn.Conv2d, {"dilation": 2}, IMAGES),
    "grouped": (nn.Conv2d, {"groups": 2, "padding": 1}, IMAGES),
    "depthwise": (nn.Conv2d, {"groups": 6, "padding": 1, "stride": 2}, IMAGES),
    "odd": (
        nn.Conv2d,
        {"kernel_size": (4, 2), "stride": (3, 1), "padding": (2, 0), "dilation": (1, 3)},
        IMAGES,
    ),
    "far outside": (nn.Conv2d, {"kernel_size": 2, "stride": 3, "padding": 1}, IMAGES),
    "one channel": (nn.Conv2d, {"kernel_size": 5}, (4, 1, 9, 9)),
    "long": (nn.Conv2d, {"kernel_size": 5, "padding": 2}, (2, 16, 6, 6)),
    "same": (nn.Conv2d, {"kernel_size": 5, "padding": "same"}, IMAGES),
    "valid": (nn.Conv2d, {"padding": "valid"}, IMAGES),
    "reflected": (nn.Conv2d, {"padding": 1, "padding_mode": "reflect"}, IMAGES),
    "around": (nn.Conv2d, {"padding": 1, "padding_mode": "circular"}, IMAGES),
    "sequence": (nn.Conv1d, {"stride": 2, "padding": 1}, (4, 6, 11)),
    "sequence, depthwise": (nn.Conv1d, {"groups": 6, "dilation": 2}, (4, 6, 11)),
    "volume": (nn.Conv3d, {"stride": (1, 2, 1)}, (2, 6, 5, 5, 5)),
    "transposed": (nn.ConvTranspose2d, {"stride": 2, "output_padding": 1}, IMAGES),
    "transposed 3x3": (nn.ConvTranspose2d, {"padding": 1}, IMAGES),
    "transposed, grouped": (nn.ConvTranspose2d, {"groups": 3, "dilation": 2}, IMAGES),
    "transposed, depthwise": (nn.ConvTranspose2d, {"groups": 6, "stride": 3}, IMAGES),
    "transposed sequence": (nn.ConvTranspose1d, {"stride": 2, "bias": False}, (4, 6, 11)),
}
"""Convolutions by name: the class, what is not a 3x3 kernel with 6 filters, and inputs."""


def geometry(name: str) -> Case:
    """Return a convolution of :data:`GEOMETRIES`."""
    kind, changes, shape = GEOMETRIES[name]
    return kind(shape[1], 6, **{"kernel_size": 3, **changes}), shape


def _convolutions() -> dict[str, Case]:
    found = {f"convolution {name}": geometry(name) for name in GEOMETRIES}
    for name in ("3x3", "3x3 strided", "grouped"):
        module, shape = geometry(name)
        by_pixel = module.to(memory_format=torch.channels_last)
        found[f"convolution {name}, channels last"] = by_pixel, shape
    return found


def _layers() -> dict[str, Case]:
    attention = nn.MultiheadAttention(8, 2, dropout=0.1, batch_first=True)
    halves = torch.full((4, 6, 2), 0.5)
    layers: list[nn.Module] = [
        *(nn.BatchNorm2d(6), nn.BatchNorm2d(6, affine=False, momentum=0.3)),
        *(nn.BatchNorm2d(6, track_running_stats=False), nn.BatchNorm2d(6).eval()),
        *(nn.GroupNorm(3, 6), nn.InstanceNorm2d(6), nn.InstanceNorm2d(6, True, True, True)),
        *(nn.LayerNorm(9), nn.LayerNorm([6, 9, 9]), nn.RMSNorm(9), nn.LocalResponseNorm(3)),
        *(nn.ZeroPad2d(1), nn.ReflectionPad2d(1), nn.ReplicationPad2d(1), nn.CircularPad2d(1)),
        *(nn.Upsample(scale_factor=2), nn.Upsample(scale_factor=2, mode="bilinear")),
        *(nn.Upsample((13, 5), mode="bicubic"), nn.Upsample(scale_factor=1.5, mode="area")),
        *(nn.MaxPool2d(2), nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(2), nn.AvgPool2d(3, 2, 1)),
        *(nn.AdaptiveAvgPool2d(1), nn.AdaptiveAvgPool2d(4), nn.AdaptiveMaxPool2d(4)),
        *(nn.LPPool2d(2, 2), nn.FractionalMaxPool2d(2, 4, _random_samples=halves)),
        *(nn.Flatten(), nn.Unflatten(1, (2, 3)), nn.PixelUnshuffle(3), nn.ChannelShuffle(3)),
        *(nn.Unfold(3), nn.Dropout(0.3), nn.Dropout2d(0.3), nn.AlphaDropout(0.3)),
        *(nn.FeatureAlphaDropout(0.3), nn.Softmax2d(), nn.Linear(9, 5), nn.PReLU(6)),
    ]
    of_words: dict[str, nn.Module] = {
        "padded sequences": nn.Sequential(nn.ReflectionPad1d(2), nn.ReplicationPad1d(1)),
        "interpolated sequences": nn.Upsample(scale_factor=2, mode="linear"),
        "repeated sequences": nn.Upsample(scale_factor=2),
        "attention": Function(lambda x, m: m(x, x, x, need_weights=False)[0], attention),
        "attention with weights": Function(lambda x, m: m(x, x, x)[1], attention),
        "encoder": nn.TransformerEncoderLayer(8, 2, 16, 0, "gelu"),
        "decoder": Function(lambda x, m: m(x, x), nn.TransformerDecoderLayer(8, 2, 16)),
        "recurrent": Function(lambda x, m: m(x)[0], nn.RNN(8, 4)),
        "gated recurrent": Function(lambda x, m: m(x)[0], nn.GRU(8, 4)),
    }
    return {
        **{f"{layer} {number}": (layer, IMAGES) for number, layer in enumerate(layers)},
        "linear": (nn.Linear(300, 20), (16, 300)),
        "linear to one": (nn.Linear(9, 1, bias=False), ROWS),
        "bilinear": (Function(lambda x, m: m(x, x.flip(0)), nn.Bilinear(9, 9, 4)), ROWS),
        "batch norm of rows": (nn.BatchNorm1d(6), (8, 6)),
        "pixel shuffle": (nn.PixelShuffle(3), (2, 9, 4, 4)),
        "fold": (nn.Fold((5, 5), 3), (2, 18, 9)),
        "max pool of sequences": (nn.MaxPool1d(2), (2, 3, 8)),
        "average pool of sequences": (nn.AvgPool1d(2), (2, 3, 8)),
        "adaptive pool of sequences": (nn.AdaptiveMaxPool1d(3), (2, 3, 8)),
        "pools of volumes": (
            nn.Sequential(nn.MaxPool3d(2), nn.AvgPool3d(2), nn.AdaptiveAvgPool3d(2)),
            (2, 2, 9, 9, 9),
        ),
        "unpooled": (
            Function(
                lambda x, pool, back: back(*pool(x)),
                nn.MaxPool2d(2, return_indices=True),
                nn.MaxUnpool2d(2),
            ),
            (2, 3, 8, 8),
        ),
        "embedding": (Function(lambda x, m: m(_indices(x)), nn.Embedding(5, 3, 0)), ROWS),
        **{name: (module, WORDS) for name, module in of_words.items()},
        "causal attention": (
            Function(lambda x: functional.scaled_dot_product_attention(x, x, x, is_causal=True)),
            (2, 2, 5, 8),
        ),
        "weight norm": (nn.utils.parametrizations.weight_norm(nn.Linear(9, 5)), ROWS),
        "LSTM cell": (Function(lambda x, m: m(x)[0], nn.LSTMCell(8, 4)), (5, 8)),
    }


def _activations() -> dict[str, Case]:
    names = (
        "ELU Hardshrink Hardsigmoid Hardtanh Hardswish LeakyReLU LogSigmoid ReLU ReLU6 RReLU SELU "
        "CELU GELU Sigmoid SiLU Mish Softplus Softshrink Softsign Tanh Tanhshrink PReLU"
    )
    in_place = "ELU Hardswish LeakyReLU ReLU SELU CELU SiLU Mish Hardsigmoid Hardtanh"
    modules: dict[str, nn.Module] = {name: getattr(nn, name)() for name in names.split()}
    modules |= {
        f"{name} in place": Function(lambda x, m: m(x * 1.5), getattr(nn, name)(inplace=True))
        for name in in_place.split()
    }
    modules |= {
        "GELU by tanh": nn.GELU("tanh"),
        "GLU": Function(lambda x: functional.glu(x[:, :8])),
        "softmax": nn.Softmax(-1),
        "log softmax": nn.LogSoftmax(-1),
        "threshold": nn.Threshold(0.1, 0.2),
        "threshold in place": Function(lambda x: functional.threshold(x * 1.5, 0.1, 0.2, True)),
    }
    # Of all sizes, so that there are some for every branch.
    return {name: (Function(lambda x, m: m(3 * x), m), MANY) for name, m in modules.items()}


def _indices(x: Tensor) -> Tensor:
    return (x.abs() * 2).long().clamp(0, 4)


def _positive(x: Tensor) -> Tensor:
    return x.abs() + 0.1


_FUNCTIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "exp": lambda x: torch.exp(20 * x),
    "exp2": lambda x: torch.exp2(20 * x),
    "expm1": lambda x: torch.expm1(5 * x),
    "log": lambda x: _positive(x).log(),
    "log1p": lambda x: _positive(x).log1p(),
    "log2": lambda x: _positive(x).log2(),
    "log10": lambda x: _positive(x).log10(),
    "sqrt": lambda x: _positive(x).sqrt(),
    "rsqrt": lambda x: _positive(x).rsqrt(),
    "erf": torch.erf,
    "erfc": torch.erfc,
    "normal distribution": torch.special.ndtr,
    "sinh": torch.sinh,
    "cosh": torch.cosh,
    "atan": torch.atan,
    "atan2": lambda x: torch.atan2(x, x.flip(0)),
    "square": lambda x: x**2,
    "cube": lambda x: x**3,
    "root": lambda x: _positive(x) ** 0.5,
    "power": lambda x: _positive(x) ** 2.5,
    "powers": lambda x: _positive(x) ** x,
    "power of 2": lambda x: 2**x,
    "quotient": lambda x: x / _positive(x.flip(0)) + 1 / _positive(x),
    "hypot": lambda x: torch.hypot(x, x.flip(0)),
    "xlogy": lambda x: torch.xlogy(x, _positive(x)),
    "remainder": lambda x: x % 1.5,
    "logsumexp": lambda x: x.logsumexp(1),
    "logaddexp": lambda x: torch.logaddexp(x, x.flip(0)),
    "logcumsumexp": lambda x: x.logcumsumexp(1),
    "nan_to_num": lambda x: x.nan_to_num(),
    "lerp": lambda x: torch.lerp(x, x.flip(0), 0.3),
    "addcmul": lambda x: torch.addcmul(x, x, x.flip(0)),
    "addcdiv": lambda x: torch.addcdiv(x, x, _positive(x)),
    "sums": lambda x: torch.stack([x.sum(), x.mean(), x[0, :9].prod(), x.max(), x.min(), x.norm()]),
    "outer": lambda x: torch.outer(x[0], x[1]),
    "dot": lambda x: torch.dot(x[0], x[1]),
    "vdot": lambda x: torch.vdot(x[0], x[1]),
    "mv": lambda x: x @ x[0],
    "addmv": lambda x: torch.addmv(x[:, 0], x, x[0], beta=0.5, alpha=2),
    "addmm": lambda x: torch.addmm(x[:, :64], x, x.t(), beta=0, alpha=3),
    "cross": lambda x: torch.cross(x[:, :3], x[:, 3:6], dim=1),
    "trace": lambda x: x[:, :4].trace(),
    "to float64": lambda x: x.double().exp2().float(),
    "cosine similarity": lambda x: functional.cosine_similarity(x, x.flip(0)),
    "distance": lambda x: functional.pairwise_distance(x, x.flip(0)),
    "comparisons": lambda x: torch.stack(
        [
            *(x == 1, x != 1, x > x[0], x >= x[0], x < x[0], x <= x[0], x == x[0], x != x[0]),
            *((x > 0) | (x < -1), (x > 0) & (x < 1), ~(x > 0), x.isnan(), x.isinf()),
            *(x.logical_not(), torch.logical_or(x, x > 0), torch.logical_and(x, x > 0)),
            *(x > 0, x >= 0, x < 0, x <= 0, (x > 0).any(1, True) & x.bool().all(0) & (x > 0)),
        ]
    ),
    "conditions": lambda x: x * ((x > 3).any() | (x < 3).all()),
    "places": lambda x: torch.stack([x.argmax(1), x.argmin(1)]),
}
_OF_IMAGES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda x: x.mean((1, 2)),
    "variance": lambda x: x.var(1) + torch.var_mean(x, 1)[0],
    "deviation": lambda x: x.std(1) + torch.std_mean(x, 1)[1],
    "norms": lambda x: x.norm(dim=1) + x.norm(1, dim=1),
    "normalize": functional.normalize,
    "extremes": lambda x: x.amax(1) + x.amin(1) + x.max(1)[0] + x.min(1)[0] + x.median(1)[0],
    "cumulated": lambda x: x.cumsum(1) + x.cumprod(1) + x.prod(1, keepdim=True),
    "sorted": lambda x: x.sort(1)[0][:, :2] + x.topk(2, 1)[0],
    "gathered": lambda x: x.gather(1, _indices(x)),
    "scattered": lambda x: (
        torch.zeros_like(x).scatter_add(1, _indices(x), x).scatter(1, _indices(x[:, :1]), 2.0)
    ),
    "indexed": lambda x: x[:, [0, 2]] + x.index_select(1, torch.tensor([1, 1])),
    "added by index": lambda x: x.index_add(1, torch.tensor([1, 1]), x[:, :2]),
    "sliced": lambda x: x[:, 1:3, ::2, 1:],
    "selected": lambda x: x[:, 0] + x.unbind(1)[1],
    "together": lambda x: torch.cat([x, torch.stack([x, x + 1], 2).flatten(1, 2)], 1),
    "apart": lambda x: x.chunk(2, 1)[0] * x.split([2, 4], 1)[1][:, 1:],
    "where": lambda x: torch.where(x > 0, x, -x).masked_fill(x > 2, 0.0),
    "filled by tensor": lambda x: x.masked_fill(x > 2, torch.tensor(1.5)),
    "clamped": lambda x: x.clamp(-1, 1) + x.clamp_min(0.1) + x.clamp_max(0.3),
    "clamped by tensors": lambda x: (
        x.clamp(-x.flip(0).abs(), x.flip(1).abs())
        + torch.ops.aten.clamp_min.Tensor(x, x.flip(0))
        + torch.ops.aten.clamp_max.Tensor(x, x.flip(0))
    ),
    "maximum": lambda x: torch.maximum(x, x.flip(0)) + torch.minimum(x, x.flip(1)),
    "signs": lambda x: x.sign() + x.detach().sgn() + x.abs() - x.copysign(-x.flip(0)),
    "rounded": lambda x: x * x.floor() + x.ceil() + x.round() + x.trunc(),
    "moved": lambda x: x.roll(1, 2) + x.flip(2) + torch.rot90(x, 1, (2, 3)),
    "triangles": lambda x: x.tril() - x.triu(),
    "permuted": lambda x: x.permute(0, 2, 3, 1).reshape(4, -1),
    "transposed": lambda x: x.transpose(1, 2).reshape(4, -1),
    "expanded": lambda x: x[:, :1].expand(4, 3, 9, 9) * x[:, :3],
    "repeated": lambda x: x.repeat(1, 2, 1, 1),
    "residual": lambda x: (x * 2).add_(x.relu()) - (1 - x),
    "einsum": lambda x: torch.einsum("nchw,ndhw->ncd", x, x),
    "matmul": lambda x: x @ x.transpose(2, 3),
    "long matmul": lambda x: x.flatten(2).repeat(1, 1, 3) @ x.flatten(2).repeat(1, 1, 3).mT,
    "baddbmm": lambda x: torch.baddbmm(x[0], x[1], x[2], beta=2, alpha=0.5),
    "tensordot": lambda x: torch.tensordot(x, x, ([1, 2, 3], [1, 2, 3])),
    "diagonal": lambda x: torch.diagonal(x, dim1=2, dim2=3),
    "squeezed": lambda x: x[:, :1].squeeze() + x[:, 1:2].squeeze((1,)),
    "called by torch alone": lambda x: torch.ops.aten.sub_.Scalar(
        torch.ops.aten.lift_fresh_copy.default(torch.ops.aten.alias.default(x)), 0.5
    ),
    "windows": lambda x: x.unfold(2, 3, 2),
    "strided": lambda x: x.as_strided((3, 4), (5, 2)),
    "noise": lambda x: (
        x * torch.rand_like(x) + torch.randn_like(x) + torch.rand(9) + torch.randn(9)
        + x.clone().uniform_() + x.clone().normal_()
    ),
    "noise of a generator": lambda x: _drawn(x, torch.Generator().manual_seed(3)),
    "made": lambda x: (
        x * torch.ones(9) + torch.zeros(9) + torch.arange(9.0) + torch.arange(1.0, 10)
        + torch.ones_like(x)
        + torch.full((9,), 2.0) + x.new_full((9,), 3.0) + x.new_ones(9) + torch.full_like(x, 0.5)
        + torch.linspace(0, 1, 9)
    ),
    "written": lambda x: (
        x.clone().index_put_((torch.tensor([0]),), x[1]).index_add_(0, torch.tensor([1]), x[:1])
        .scatter_(1, _indices(x), x).scatter_(1, _indices(x), 0.5).scatter_add_(1, _indices(x), x)
        .masked_fill_(x > 2, torch.tensor(2.0)).masked_fill_(x > 1, 0.5)
    ),
    "gradients of slices": lambda x: (
        torch.slice_scatter(x, x[:, :2], 1, 2, 4) + torch.select_scatter(x, x[:, 0], 1, 2)
    ),
}  # fmt: skip


def _drawn(x: Tensor, generator: torch.Generator) -> Tensor:
    return (
        torch.rand(9, generator=generator)
        + torch.randn(9, generator=generator)
        + torch.rand_like(x, generator=generator)
        + torch.randn_like(x, generator=generator)
        + x.clone().bernoulli_(0.3, generator=generator)
    )


_IN_PLACE = (
    "abs_ ceil_ floor_ round_ trunc_ neg_ sign_ reciprocal_ rsqrt_ exp_ exp2_ expm1_ log_ "
    "log2_ log10_ log1p_ sqrt_ tanh_ atan_ erf_ erfc_ sigmoid_ zero_ square_ clamp_ clamp_max_ "
    "cumsum_ fill_ add_ sub_ mul_ div_ pow_"
)
_ARGUMENTS: Mapping[str, tuple[Any, ...]] = {
    **dict.fromkeys(("clamp_max_", "add_", "sub_", "mul_", "div_", "pow_"), (0.5,)),
    "clamp_": (-0.5, 0.5),
    "cumsum_": (1,),
    "fill_": (torch.tensor(0.5),),
}


def _in_place(name: str) -> nn.Module:
    change = getattr(Tensor, name)
    arguments = _ARGUMENTS.get(name, ())
    return Function(lambda x: change(_positive(x), *arguments))


def _losses() -> dict[str, Case]:
    classes = torch.tensor([0, 2, 1, 3])
    weights = torch.linspace(0.1, 1, 9)
    against: dict[str, tuple[nn.Module, Tensor]] = {
        "cross-entropy": (nn.CrossEntropyLoss(), classes),
        "smoothed cross-entropy": (nn.CrossEntropyLoss(label_smoothing=0.1), classes),
        "weighted cross-entropy": (nn.CrossEntropyLoss(weight=weights), classes),
        "cross-entropy of probabilities": (nn.CrossEntropyLoss(), torch.full(ROWS, 1 / 9)),
        "margins": (nn.MultiMarginLoss(), classes),
        "label margins": (nn.MultiLabelMarginLoss(), torch.zeros(ROWS, dtype=torch.long)),
    }
    of_numbers = (
        "L1Loss MSELoss SmoothL1Loss HuberLoss BCEWithLogitsLoss PoissonNLLLoss "
        "SoftMarginLoss MultiLabelSoftMarginLoss HingeEmbeddingLoss"
    )
    of_rows: dict[str, Callable[[Tensor], Tensor]] = {
        "binary cross-entropy": lambda x: functional.binary_cross_entropy(
            x.sigmoid(), x.detach() * 0 + 0.3
        ),
        "divergence": lambda x: functional.kl_div(x, x.detach().sigmoid(), reduction="batchmean"),
        "triplets": lambda x: nn.TripletMarginLoss()(x, x.flip(0), x.flip(1)),
        "cosines": lambda x: nn.CosineEmbeddingLoss()(x, x.flip(0), torch.ones(4)),
        "ranks": lambda x: nn.MarginRankingLoss()(x[0], x[1], torch.ones(9)),
    }
    pixels = torch.ones(4, 9, 9, dtype=torch.long)
    words = (torch.ones(5, 2, dtype=torch.long), torch.full((5,), 3), torch.full((5,), 2))
    return {
        **{name: (_against(loss, target), ROWS) for name, (loss, target) in against.items()},
        **{
            name: (Function(lambda x, m: m(x, torch.full_like(x, 0.3)), getattr(nn, name)()), ROWS)
            for name in of_numbers.split()
        },
        **{name: (Function(loss), ROWS) for name, loss in of_rows.items()},
        "cross-entropy of pixels": (_against(nn.CrossEntropyLoss(), pixels), IMAGES),
        "CTC": (Function(lambda x: functional.ctc_loss(x.log_softmax(-1), *words)), WORDS),
    }


def _against(loss: nn.Module, target: Tensor) -> nn.Module:
    return Function(lambda x, m: m(x, target), loss)


def digests() -> dict[str, str]:
    """Return a digest of the results of each case, computed with the table."""
    found = {}
    for name, case in cases().items():
        torch.manual_seed(2)
        with Tabled():
            tensors = results(case[0], inputs_of(case))
        found[name] = digest(tensors)
    return found


def digest(tensors: Iterable[Tensor]) -> str:
    """Return the sha256 of the values of some tensors."""
    bits = b"".join(tensor.contiguous().numpy().tobytes() for tensor in tensors)
    return hashlib.sha256(bits).hexdigest()
