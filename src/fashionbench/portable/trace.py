"""Record what a module computes as one flat list of ATen operations.

Below autograd, a forward pass, the loss's gradient and the backward pass are one sequence of calls
of ATen's operations. A dispatch mode sees them all while they run on real tensors, once. (The graph
that ``make_fx`` returns lists the same calls, but takes two seconds longer to be imported, in every
worker.) What cannot be seen is control flow: if a module decides by the values of its inputs, the
list holds for the values that it was recorded with. Calls that hand a value over to Python are
noticed (:class:`NotDerivableError`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

Gradient = Callable[[Tensor, Tensor], Tensor]
"""Returns the gradient of a loss for outputs, given the outputs and the targets."""
Kind = Literal["parameter", "buffer", "input", "constant", "local"]


class NotDerivableError(Exception):
    """A module does something that a list of operations cannot express; the message says what."""


@dataclass(eq=False)
class Value:
    """A tensor of a recording. Those with one ``root`` share memory."""

    name: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    root: int
    kind: Kind = "local"


@dataclass(eq=False)
class Call:
    """One call of an operation; tensors among the arguments are :class:`Value`.

    ``results`` has one entry for each tensor that is returned, as a tuple if it ``returns_many``.
    """

    target: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: list[Value | None]
    returns_many: bool = False

    @property
    def name(self) -> str:
        """The operation and its overload, such as ``aten.add_.Tensor``."""
        return str(self.target)

    def read(self) -> Iterator[Value]:
        """Yield all values among the arguments."""
        yield from values_in((self.args, self.kwargs))


class Generator:
    """Stands in a recording for the random generator that a training brings."""


@dataclass(eq=False)
class Recording:
    """The calls of a pass, in order, and the values that come from and go elsewhere.

    ``gradients`` holds a value per parameter, None for one that the loss does not depend on; it is
    empty for a forward pass.
    """

    calls: list[Call]
    parameters: Mapping[str, Value]
    buffers: Mapping[str, Value]
    inputs: Value
    targets: Value | None
    outputs: Value
    gradients: Mapping[str, Value | None] = field(default_factory=dict)
    constants: Mapping[str, Tensor] = field(default_factory=dict)


def values_in(arguments: Any) -> Iterator[Value]:
    """Yield the values in nested arguments."""
    if isinstance(arguments, Value):
        yield arguments
    elif isinstance(arguments, dict):
        yield from values_in(list(arguments.values()))
    elif isinstance(arguments, list | tuple):
        for argument in arguments:
            yield from values_in(argument)


def record_step(
    module: nn.Module, inputs: Tensor, targets: Tensor, gradient_of: Gradient
) -> Recording:
    """Record a forward and a backward pass of a module in its present mode.

    ``gradient_of`` returns the gradient of the loss for the outputs. The module, its parameters and
    its buffers stay as they are. Raises NotDerivableError.
    """
    with _recording(module, inputs, targets) as recorder:
        parameters = recorder.parameters
        outputs = recorder.run(module)
        gradient = gradient_of(outputs.detach(), recorder.targets)
        trained = {name: p for name, p in parameters.items() if p.requires_grad}
        # Given directly, a gradient has torch import its compiler, for two seconds.
        objective = _Objective.apply(outputs, gradient)
        found = torch.autograd.grad(objective, list(trained.values()), allow_unused=True)
    gradients = dict(zip(trained, found, strict=True))
    return recorder.recording(outputs, gradients)


def record_forward(module: nn.Module, inputs: Tensor) -> Recording:
    """Record a forward pass of a module in its present mode; otherwise as :func:`record_step`."""
    with _recording(module, inputs, None) as recorder, torch.no_grad():
        outputs = recorder.run(module)
    return recorder.recording(outputs, {})


class _Objective(torch.autograd.Function):
    """A scalar whose gradient for the outputs is a given tensor."""

    @staticmethod
    def forward(ctx: Any, outputs: Tensor, gradient: Tensor) -> Tensor:
        ctx.gradient = gradient
        return outputs.new_zeros(())

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> tuple[Tensor, None]:
        return ctx.gradient, None


@contextmanager
def _recording(module: nn.Module, inputs: Tensor, targets: Tensor | None) -> "Iterator[_Recorder]":
    """Record operations on copies of all tensors, which autograd can differentiate.

    Raises NotDerivableError for whatever goes wrong: a module that works may not work with copies.
    """
    # Only attention needs it: its fused kernels are one operation, and have no defined order.
    from torch.nn.attention import SDPBackend, sdpa_kernel

    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.random.fork_rng(devices=[]),
            sdpa_kernel(SDPBackend.MATH),
        ):
            recorder = _Recorder(module, inputs, targets)
            with recorder:
                yield recorder
    except NotDerivableError:
        raise
    except Exception as error:
        why = " ".join(str(error).split())[:200]
        raise NotDerivableError(f"recording it raises {type(error).__name__}: {why}") from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)


class _Recorder(TorchDispatchMode):
    """Carries out every operation, and writes it down."""

    def __init__(self, module: nn.Module, inputs: Tensor, targets: Tensor | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[Call] = []
        self._seen: dict[int, tuple[Value, Tensor]] = {}
        self._numbers = torch.Generator().manual_seed(0)
        self.parameters = {
            name: p.detach().clone().requires_grad_(p.requires_grad)
            for name, p in module.named_parameters()
        }
        self.buffers = {name: b.detach().clone() for name, b in module.named_buffers()}
        self.inputs = inputs.clone()
        self.targets = cast(Tensor, None) if targets is None else targets.clone()
        given: dict[Kind, dict[str, Tensor]] = {
            "parameter": self.parameters,
            "buffer": self.buffers,
            "input": {"inputs": self.inputs}
            | ({} if targets is None else {"targets": self.targets}),
        }
        for kind, tensors in given.items():
            for name, tensor in tensors.items():
                self._add(name, tensor, kind)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Otherwise torch imports its compiler, for two seconds, to keep it away from this class.
        return False

    def run(self, module: nn.Module) -> Tensor:
        """Call the module on the inputs. Raises NotDerivableError unless it returns a tensor."""
        outputs = torch.func.functional_call(
            module, {**self.parameters, **self.buffers}, (self.inputs,)
        )
        if not isinstance(outputs, Tensor):
            raise NotDerivableError(f"it returns a {type(outputs).__name__} and no tensor")
        return outputs

    def recording(self, outputs: Tensor, gradients: Mapping[str, Tensor | None]) -> Recording:
        """Return what has been recorded, with these tensors as its results."""

        def value(tensor: Tensor) -> Value:
            return self._seen[id(tensor)][0]

        return Recording(
            calls=self.calls,
            parameters={name: value(p) for name, p in self.parameters.items()},
            buffers={name: value(b) for name, b in self.buffers.items()},
            inputs=value(self.inputs),
            targets=None if self.targets is None else value(self.targets),
            outputs=value(outputs),
            gradients={
                name: None if found is None else value(found) for name, found in gradients.items()
            },
            constants={
                found.name: tensor
                for found, tensor in self._seen.values()
                if found.kind == "constant"
            },
        )

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        tags = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
        if tags & set(func.tags):
            raise NotDerivableError(f"what it does next depends on values ({func})")
        kwargs = dict(kwargs or {})
        if torch.Tag.nondeterministic_seeded in func.tags:
            func, kwargs = self._draw_by_generator(func, args, kwargs)
        known_args, known_kwargs = self._known(args), self._known(kwargs)
        results = func(*args, **kwargs)
        many = not isinstance(results, Tensor)
        call = Call(func, known_args, known_kwargs, [], returns_many=many)
        for result in results if many else (results,):
            call.results.append(self._result(func, result) if result is not None else None)
        self.calls.append(call)
        return results

    def _draw_by_generator(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        """Return a call that draws the same numbers from a generator that is given."""
        takes = {argument.name for argument in func._schema.arguments}
        if "generator" not in takes:
            overload = "generator" if func._overloadname in ("", "default") else "generator_out"
            if overload not in func.overloadpacket.overloads():
                raise NotDerivableError(f"{func} draws from torch's global generator")
            func = getattr(func.overloadpacket, overload)
        return func, kwargs | {"generator": self._numbers}

    def _known(self, argument: Any) -> Any:
        if isinstance(argument, Tensor):
            if id(argument) not in self._seen:
                self._add(f"constant_{len(self._seen)}", argument, "constant")
            return self._seen[id(argument)][0]
        if isinstance(argument, dict):
            return {name: self._known(value) for name, value in argument.items()}
        if isinstance(argument, list | tuple):
            return type(argument)(self._known(value) for value in argument)
        return Generator() if isinstance(argument, torch.Generator) else argument

    def _result(self, func: Any, result: Tensor) -> Value:
        found = self._seen.get(id(result))
        name = func._schema.name.partition("::")[2].strip("_")
        return found[0] if found else self._add(f"{name}_{len(self._seen)}", result, "local")

    def _add(self, name: str, tensor: Tensor, kind: Kind) -> Value:
        # The tensor is kept, so that no other one gets its id or its memory.
        value = Value(
            name=name,
            shape=tuple(tensor.shape),
            stride=tensor.stride(),
            dtype=tensor.dtype,
            root=tensor.untyped_storage()._cdata,
            kind=kind,
        )
        self._seen[id(tensor)] = value, tensor
        return value
