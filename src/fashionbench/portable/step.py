"""Derive a training step, or a forward pass, from a module, as Python text that people can read.

A recording (:mod:`fashionbench.portable.trace`) lists the operations. Each whose order of sums
depends on the processor is replaced by one whose order is defined
(:mod:`fashionbench.portable.operations`); what is outside of that table is named, since its bits
hold for one kind of processor only. The rest of this file makes it fast without changing a bit:

- Products write into room that is made once, so that views of it, of the parameters and of the
  inputs are taken before the first step, and not in each.
- Gradients are computed where the optimizer reads them, in one vector.
- An operation overwrites its operand if nothing reads that again.
- Operations are called by torch's own bindings, which take a microsecond less than
  ``torch.ops.aten``.

On networks this small, these microseconds are a third of a step under autograd.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor, nn

from fashionbench.portable import arithmetic, operations
from fashionbench.portable.kernels import NARROW
from fashionbench.portable.plain import Pass, autograd_step, plain_forward
from fashionbench.portable.trace import (
    Call,
    Generator,
    Gradient,
    NotDerivableError,
    Recording,
    Value,
    record_forward,
    record_step,
    values_in,
)

_VIEWS = {
    f"aten.{name}"
    for name in (
        *("t.default", "view.default", "permute.default", "transpose.int", "unsqueeze.default"),
        *("squeeze.dim", "squeeze.dims", "expand.default", "slice.Tensor", "select.int"),
        *("as_strided.default", "split.Tensor", "split_with_sizes.default", "unbind.int"),
    )
}
_SAME = {"aten.detach.default", "aten.alias.default", "aten.lift_fresh.default"}
_IN_PLACE = {
    "aten.relu.default": "torch.relu_",
    "aten.mul.Tensor": "Tensor.mul_",
    "aten.add.Tensor": "Tensor.add_",
}
_RELU_GRADIENT = "aten.threshold_backward.default"
_WITH_OUT = {
    "aten.mul.Tensor": "torch.mul({}, out={})",
    "aten.add.Tensor": "torch.add({}, out={})",
    "aten._softmax.default": "torch._softmax({}, out={})",
    "aten._softmax_backward_data.default": "torch._softmax_backward_data({}, grad_input={})",
}
"""Operations whose results lie in the same place in each step."""
_BINDINGS = {
    "aten.add.Tensor": "torch.add",
    "aten.add_.Tensor": "Tensor.add_",
    "aten.div_.Scalar": "Tensor.div_",
    "aten.div_.Tensor": "Tensor.div_",
    "aten.ge.Scalar": "torch.ge",
    "aten.mul.Tensor": "torch.mul",
    "aten.mul_.Tensor": "Tensor.mul_",
    "aten.native_batch_norm.default": "torch.native_batch_norm",
    "aten.permute.default": "torch.permute",
    "aten.relu.default": "torch.relu",
    "aten.relu_.default": "torch.relu_",
    "aten.sub_.Tensor": "Tensor.sub_",
    "aten.sum.dim_IntList": "torch.sum",
    "aten.t.default": "torch.t",
    # The operand may lie in another layout than when it was recorded.
    "aten.view.default": "Tensor.reshape",
    "aten._unsafe_view.default": "Tensor.reshape",
}
_PRODUCTS = {"aten.mm.default", "aten.addmm.default"}


@dataclass(frozen=True, kw_only=True)
class Derivation:
    """What has been derived from a module: the text of ``prepare``, a function that returns a pass.

    ``unportable`` are the operations whose bits hold for one kind of processor only, sorted.
    """

    source: str
    unportable: tuple[str, ...]
    recording: Recording = field(repr=False)
    device: torch.device

    def bind(
        self,
        module: nn.Module,
        gradients: Mapping[str, Tensor] | None = None,
        generator: torch.Generator | None = None,
    ) -> Pass:
        """Return the pass on the parameters and buffers of a module, as they are at each call.

        A step writes into ``gradients``, by the names of the parameters. Random numbers come from
        ``generator``. All tensors have to stay where they are.
        """
        inputs = self._room(self.recording.inputs)
        wanted = self.recording.targets
        targets = self._room(wanted) if wanted else torch.empty(0)
        run = self._prepare(
            dict(module.named_parameters()),
            dict(module.named_buffers()),
            gradients or {},
            self.recording.constants,
            inputs,
            targets,
            generator,
        )
        return Pass(
            inputs=inputs,
            targets=targets,
            outputs_shape=self.recording.outputs.shape,
            run=run,
            source=self.source,
            unportable=self.unportable,
        )

    @cached_property
    def _prepare(self) -> Callable[..., Callable[[], Tensor]]:
        namespace: dict[str, Any] = {
            "torch": torch,
            "Tensor": Tensor,
            "Product": arithmetic.Product,
            "bind": arithmetic.bind,
            "replaced": operations.REPLACED,
        }
        exec(compile(self.source, "<derived from a module>", "exec"), namespace)
        return cast(Callable[..., Callable[[], Tensor]], namespace["prepare"])

    def _room(self, value: Value) -> Tensor:
        return torch.zeros(value.shape, dtype=value.dtype, device=self.device)


def derive_step(
    module: nn.Module, inputs: Tensor, targets: Tensor, gradient_of: Gradient
) -> Derivation:
    """Derive the step of a module in its present mode: forward pass and gradients of parameters.

    ``inputs`` and ``targets`` are examples; the step holds for their sizes. ``gradient_of`` returns
    the gradient of the loss for the outputs, given outputs and targets. Raises NotDerivableError.
    """
    return _derive(inputs, lambda example: record_step(module, example, targets, gradient_of))


def derive_forward(module: nn.Module, inputs: Tensor) -> Derivation:
    """Derive a forward pass of a module in its present mode; otherwise as :func:`derive_step`."""
    return _derive(inputs, lambda example: record_forward(module, example))


def training_step(
    module: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    gradient_of: Gradient,
    vectors: "Vectors",
    generator: torch.Generator,
) -> Pass:
    """Return the step of a module whose parameters lie in ``vectors``, with their gradients there.

    It is derived (:func:`derive_step`) if that is possible, else autograd carries it out. Random
    numbers come from ``generator``.
    """
    try:
        derivation = derive_step(module, inputs, targets, gradient_of)
        return derivation.bind(module, vectors.gradients_by_name, generator)
    except NotDerivableError as error:
        return autograd_step(
            module, inputs, targets, gradient_of, vectors.gradients_by_name, generator, str(error)
        )


def forward_pass(module: nn.Module, inputs: Tensor) -> Pass:
    """Return the forward pass of a module on its present parameters and buffers.

    ``inputs`` are an example of their size. It is derived if that is possible.
    """
    try:
        return derive_forward(module, inputs).bind(module)
    except NotDerivableError as error:
        return plain_forward(module, inputs, str(error))


class Vectors:
    """A module's trained parameters in one float32 vector, and their gradients in another.

    So an optimizer and a penalty are one operation each. The module's parameters become views of
    the vector: at any moment the module is the network as trained so far.
    """

    def __init__(self, module: nn.Module) -> None:
        parameters = list(_trained(module).values())
        self.parameters = torch.empty(
            sum(p.numel() for p in parameters), device=parameters[0].device
        )
        self.gradients = torch.zeros_like(self.parameters)
        self.gradients_by_name = _views(self.gradients, module)
        for name, part in _views(self.parameters, module).items():
            parameter = module.get_parameter(name)
            parameter.data = part.copy_(parameter.detach())


def _trained(module: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that are not frozen, each once."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def _views(vector: Tensor, module: nn.Module) -> dict[str, Tensor]:
    """Cut a vector into views, one per trained parameter, in its shape and memory layout."""
    named = _trained(module)
    parts = vector.split([parameter.numel() for parameter in named.values()])
    return {
        name: part.as_strided(parameter.shape, parameter.stride(), part.storage_offset())
        for (name, parameter), part in zip(named.items(), parts, strict=True)
    }


class ForwardPass:
    """A forward pass in evaluation mode: see :func:`fashionbench.portable.forward_pass`."""

    def __init__(self, module: nn.Module, inputs: Tensor) -> None:
        was_training = module.training
        self._pass = forward_pass(module.eval(), inputs)
        module.train(was_training)
        self.source, self.unportable = self._pass.source, self._pass.unportable

    @torch.inference_mode()
    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the outputs."""
        self._pass.inputs.copy_(inputs)
        return self._pass().clone()


class TrainingStep:
    """A module's training step: see :func:`fashionbench.portable.training_step`."""

    def __init__(
        self,
        module: nn.Module,
        inputs: Tensor,
        targets: Tensor,
        loss: Callable[[Tensor, Tensor], Tensor],
        seed: int,
    ) -> None:
        def gradient_of(outputs: Tensor, wanted: Tensor) -> Tensor:
            leaf = outputs.detach().requires_grad_()
            return torch.autograd.grad(loss(leaf, wanted), leaf)[0]

        vectors = Vectors(module)
        self.parameters, self.gradients = vectors.parameters, vectors.gradients
        self.parameters.grad = self.gradients
        generator = torch.Generator().manual_seed(seed)
        self._pass = training_step(module.train(), inputs, targets, gradient_of, vectors, generator)
        self.source, self.unportable = self._pass.source, self._pass.unportable

    @torch.inference_mode()
    def __call__(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Return the outputs for a batch, and leave the gradients in ``gradients``."""
        self._pass.inputs.copy_(inputs)
        self._pass.targets.copy_(targets)
        return self._pass().clone()


def _derive(inputs: Tensor, record: Callable[[Tensor], Recording]) -> Derivation:
    """Derive a pass. Raises NotDerivableError also if it is another one for other inputs."""
    # Of these inputs no two are the same, and none is 0.
    different = torch.linspace(1, 0.25, inputs.numel(), device=inputs.device).view(inputs.shape)
    derivation, other = (
        _simplify(record(example), inputs.device) for example in (inputs, different)
    )
    constants, others = derivation.recording.constants, other.recording.constants
    if derivation.source != other.source or any(
        not torch.equal(constants[name], others[name]) for name in constants
    ):
        raise NotDerivableError("what it does depends on values, or on earlier calls")
    return derivation


def _simplify(recording: Recording, device: torch.device) -> Derivation:
    _drop_copies(recording)
    _split_linear_layers(recording)
    _drop_dimensions_of_sums(recording)
    _store_narrow_products_by_column(recording)
    _drop_contiguous_copies(recording)
    _drop_unused(recording)
    unportable = {call.name for call in recording.calls if not operations.is_portable(call.name)}
    source = _Writer(recording, device).text()
    return Derivation(
        source=source, unportable=tuple(sorted(unportable)), recording=recording, device=device
    )


# What is left out of a recording, or written in another way. All keep the values of all results.


def _replace(recording: Recording, replaced: Mapping[Value, Value]) -> None:
    """Read other values in the place of some."""

    def now(argument: Any) -> Any:
        if isinstance(argument, Value):
            while argument in replaced:
                argument = replaced[argument]
            return argument
        if isinstance(argument, list | tuple):
            return type(argument)(now(part) for part in argument)
        if isinstance(argument, dict):
            return {name: now(part) for name, part in argument.items()}
        return argument

    for call in recording.calls:
        call.args, call.kwargs = now(call.args), now(call.kwargs)
    recording.outputs = now(recording.outputs)
    recording.gradients = now(dict(recording.gradients))


def _drop_copies(recording: Recording) -> None:
    """Drop what only renames a value, and every second transposition."""
    replaced: dict[Value, Value] = {}
    transposed: dict[Value, Value] = {}
    kept = []
    for call in recording.calls:
        result, of = call.results[:1], call.args[:1]
        if call.name in _SAME and isinstance(result[0], Value):
            replaced[result[0]] = of[0]
            continue
        if call.name == "aten.t.default" and isinstance(result[0], Value):
            source = of[0]
            while source in replaced:
                source = replaced[source]
            if source in transposed:
                replaced[result[0]] = transposed[source]
                continue
            transposed[result[0]] = source
        kept.append(call)
    recording.calls = kept
    _replace(recording, replaced)


def _split_linear_layers(recording: Recording) -> None:
    """Write a fully connected layer as a product, to which the bias is added in place."""
    calls = []
    for call in recording.calls:
        if call.name == "aten.addmm.default" and not call.kwargs and _is_row(call.args[0]):
            bias, a, b = call.args
            [result] = call.results
            calls.append(Call(torch.ops.aten.mm.default, (a, b), {}, [result]))
            calls.append(Call(torch.ops.aten.add_.Tensor, (result, bias), {}, [result]))
        else:
            calls.append(call)
    recording.calls = calls


def _is_row(value: Value) -> bool:
    return len(value.shape) == 1


def _drop_dimensions_of_sums(recording: Recording) -> None:
    """Sum to fewer dimensions at once, where a view would drop them."""
    producers = _producers(recording)
    dropped = set()
    for view in recording.calls:
        if view.name != "aten.view.default":
            continue
        total = producers.get(view.args[0])
        if total is None or total.name != "aten.sum.dim_IntList" or len(total.args) < 3:
            continue
        kept = [size for dim, size in enumerate(total.args[0].shape) if dim not in total.args[1]]
        if total.args[2] and kept == list(view.args[1]) and _count(recording, view.args[0]) == 1:
            total.args = (*total.args[:2], False)
            total.results = view.results
            dropped.add(view)
    recording.calls = [call for call in recording.calls if call not in dropped]


def _store_narrow_products_by_column(recording: Recording) -> None:
    """Store products of few columns as their kernels want them, unless a view relies on rows."""
    for call in recording.calls:
        result = call.results[0]
        if call.name != "aten.mm.default" or not result or result.shape[1] >= NARROW:
            continue
        if result in recording.gradients.values():
            continue
        readers = [other for other in recording.calls if result in other.read()]
        if all(reader.name not in _VIEWS - {"aten.t.default"} for reader in readers):
            result.stride = (1, result.shape[0])
            for reader in readers:
                if reader.name == "aten.t.default" and reader.results[0]:
                    reader.results[0].stride = (result.shape[0], 1)


def _drop_contiguous_copies(recording: Recording) -> None:
    """Drop copies of what lies in order already, if neither is overwritten."""
    replaced = {}
    kept = []
    for call in recording.calls:
        result = call.results[0] if call.results else None
        if call.name == "aten.clone.default" and isinstance(result, Value):
            of = call.args[0]
            in_order = torch.empty(of.shape, device="meta").stride() == of.stride
            wanted = call.kwargs.get("memory_format") in (None, torch.contiguous_format)
            later = recording.calls[recording.calls.index(call) :]
            roots = {of.root, result.root}
            if (
                in_order
                and wanted
                and not any(_overwrites(other) and other.args[0].root in roots for other in later)
            ):
                replaced[result] = of
                continue
        kept.append(call)
    recording.calls = kept
    _replace(recording, replaced)


def _drop_unused(recording: Recording) -> None:
    """Drop operations whose results nothing reads."""
    needed = {recording.outputs, *recording.gradients.values()}
    memory = {value.root for value in needed if value}
    kept = []
    for call in reversed(recording.calls):
        written = {result for result in call.results if result}
        is_read = (
            bool(written & needed)
            if not _overwrites(call)
            else any(result.kind != "local" or result.root in memory for result in written)
        )
        if is_read:
            needed |= set(call.read())
            memory |= {value.root for value in call.read()}
            kept.append(call)
    recording.calls = kept[::-1]


def _overwrites(call: Call) -> bool:
    return bool(call.target._schema.is_mutable)


def _is_dense(value: Value) -> bool:
    """Return whether every element has a place of its own in memory."""
    extent = 1
    for stride, size in sorted(zip(value.stride, value.shape, strict=True)):
        if size > 1 and stride < extent:
            return False
        extent = max(extent, stride * size)
    return True


def _producers(recording: Recording) -> dict[Value, Call]:
    return {result: call for call in recording.calls for result in call.results if result}


def _count(recording: Recording, value: Value) -> int:
    reads = sum(list(call.read()).count(value) for call in recording.calls)
    results = [recording.outputs, *recording.gradients.values()]
    return reads + results.count(value)


class _Writer:
    """Writes the text of a recording: what is prepared once, and what each step does."""

    def __init__(self, recording: Recording, device: torch.device) -> None:
        self._recording, self._device = recording, device
        self._prepared: list[str] = []
        self._done: list[str] = []
        self._names: dict[Value, str] = {}
        self._taken: set[str] = set()
        self._in_place: set[Value] = set()
        """Values that lie in the same place in each step."""
        self._written: set[str] = set()
        """Parameters whose gradients are computed where they belong."""

    def text(self) -> str:
        """Return the text of the function ``prepare``."""
        recording = self._recording
        self._name_given()
        destinations = self._destinations()
        for position, call in enumerate(recording.calls):
            later = recording.calls[position + 1 :]
            self._write(call, later, destinations)
        for name, found in recording.gradients.items():
            if found is not None and name not in self._written:
                self._done.append(f"{self._gradient(name)}.copy_({self._names[found]})")
        self._done.append(f"return {self._names[recording.outputs]}")
        return "\n".join(
            [
                "def prepare(parameter, buffer, gradient, constant, inputs, targets, generator):",
                *(f"    {line}" for line in self._prepared),
                "",
                "    def step():",
                *(f"        {line}" for line in self._done),
                "",
                "    return step",
                "",
            ]
        )

    def _name_given(self) -> None:
        recording = self._recording
        groups = {"parameter": recording.parameters, "buffer": recording.buffers}
        read = {value for call in recording.calls for value in call.read()}
        read.add(recording.outputs)
        for group, values in groups.items():
            for name, value in values.items():
                if value in read:
                    self._prepare(value, f"{group}[{name!r}]", name)
        for value in read:
            if value.kind == "constant":
                self._prepare(value, f"constant[{value.name!r}]", value.name)
        self._names[recording.inputs] = "inputs"
        if recording.targets:
            self._names[recording.targets] = "targets"
        self._taken |= {"inputs", "targets"}
        self._in_place |= {value for value in (recording.inputs, recording.targets) if value}

    def _prepare(self, value: Value, expression: str, name: str = "") -> None:
        self._prepared.append(f"{self._name(value, name)} = {expression}")
        self._in_place.add(value)

    def _name(self, value: Value, name: str = "") -> str:
        plain = re.sub(r"\W", "_", name or value.name.rpartition("_")[0])
        plain = f"layer_{plain}" if plain[0].isdigit() else plain
        found, number = plain, 1
        while found in self._taken or (not name and found == plain):
            found, number = f"{plain}_{number}", number + 1
        self._taken.add(found)
        self._names[value] = found
        return found

    def _destinations(self) -> dict[Value, str]:
        """Return where products and sums put gradients: by their result, an expression."""
        producers = _producers(self._recording)
        found: dict[Value, str] = {}
        for name, value in self._recording.gradients.items():
            transposed = False
            while value and _count(self._recording, value) == 1 and value in producers:
                call = producers[value]
                if call.name == "aten.t.default":
                    value, transposed = call.args[0], not transposed
                    continue
                if call.name in ("aten.mm.default", "aten.sum.dim_IntList"):
                    end = ".t()" if transposed else ""
                    found[value] = f"{self._gradient(name)}{end}"
                    self._written.add(name)
                break
        return found

    @staticmethod
    def _gradient(name: str) -> str:
        return f"gradient[{name!r}]"

    def _write(self, call: Call, later: list[Call], destinations: Mapping[Value, str]) -> None:
        result = call.results[0] if len(call.results) == 1 else None
        arguments = self._arguments(call)
        if call.name in _VIEWS and set(call.read()) <= self._in_place and not call.returns_many:
            assert result
            self._prepare(
                result, f"{_BINDINGS.get(call.name) or self._operation(call)}({arguments})"
            )
        elif call.name == "aten.mm.default" and result:
            self._write_product(call, result, destinations.get(result))
        elif result in destinations:
            assert result
            self._prepare(result, destinations[result])
            self._done.append(f"torch.sum({arguments}, out={self._names[result]})")
        elif result and self._may_overwrite(call, result, later):
            self._overwrite(call, result, arguments)
        elif call.name in _WITH_OUT and result and self._is_plain(call):
            self._prepare(result, self._room(result))
            self._done.append(_WITH_OUT[call.name].format(arguments, self._names[result]))
        else:
            self._write_plainly(call, arguments)

    def _write_plainly(self, call: Call, arguments: str) -> None:
        line = f"{self._function(call)}({arguments})"
        if _overwrites(call) and all(result in self._names for result in call.results if result):
            self._done.append(line)
            return
        names = [self._name(result) if result else "_" for result in call.results]
        left = "".join(f"{name}, " for name in names) if call.returns_many else names[0]
        self._done.append(f"{left.rstrip()} = {line}" if names else line)

    def _write_product(self, call: Call, result: Value, destination: str | None) -> None:
        a, b = call.args
        name = ""
        if destination or {a, b} <= self._in_place:
            self._prepare(result, destination or self._room(result))
            name = self._names[result]
        multiply = self._unused("multiply")
        if {a, b} <= self._in_place:
            operands = f"{self._names[a]}, {self._names[b]}, {name}"
            self._prepared.append(f"{multiply} = bind({operands})")
            self._done.append(f"{multiply}()  # {name}")
        elif destination:
            self._prepared.append(f"{multiply} = Product({name})")
            self._done.append(f"{multiply}({self._names[a]}, {self._names[b]})")
        else:
            self._prepared.append(f"{multiply} = Product()")
            line = f"{multiply}({self._names[a]}, {self._names[b]})"
            self._done.append(f"{self._name(result)} = {line}")

    def _may_overwrite(self, call: Call, result: Value, later: Iterable[Call]) -> bool:
        if call.name not in _IN_PLACE and call.name != _RELU_GRADIENT:
            return False
        operand = call.args[0]
        if not isinstance(operand, Value) or operand.kind != "local" or not self._is_plain(call):
            return False
        same = (operand.shape, operand.dtype) == (result.shape, result.dtype)
        others = {value.root for value in values_in(call.args[1:])}
        read = {value.root for other in later for value in other.read()}
        read |= {self._recording.outputs.root}
        read |= {found.root for found in self._recording.gradients.values() if found}
        return same and _is_dense(operand) and operand.root not in read | others

    def _is_plain(self, call: Call) -> bool:
        """Return whether a call has no options, and float32 tensors only."""
        values = [*call.read(), *(result for result in call.results if result)]
        return not call.kwargs and all(value.dtype == torch.float32 for value in values)

    def _overwrite(self, call: Call, result: Value, arguments: str) -> None:
        operand = call.args[0]
        name = self._names[operand]
        if call.name == _RELU_GRADIENT:
            gradient = self._operation(call, "grad_input")
            self._done.append(f"{gradient}({arguments}, grad_input={name})")
        else:
            self._done.append(f"{_IN_PLACE[call.name]}({arguments})")
        self._names[result] = name
        result.stride = operand.stride
        if operand in self._in_place:
            self._in_place.add(result)

    def _room(self, value: Value) -> str:
        size = f"{value.shape}, {value.stride}, device={str(self._device)!r}"
        return f"torch.empty_strided({size}, dtype={value.dtype})"

    def _function(self, call: Call) -> str:
        if call.name in operations.REPLACED:
            name = self._unused(call.target._schema.name.partition("::")[2])
            self._prepared.append(f"{name} = replaced[{call.name!r}]")
            return name
        return _BINDINGS.get(call.name) or self._operation(call)

    def _operation(self, call: Call, overload: str = "") -> str:
        """Return the name of an operation, which is looked up once."""
        packet = call.target._schema.name.replace("::", ".")
        overload = overload or call.target._overloadname
        name = f"{packet.partition('.')[2]}_{overload}"
        if name not in self._taken:
            self._taken.add(name)
            self._prepared.append(f"{name} = torch.ops.{packet}.{overload}")
        return name

    def _unused(self, stem: str) -> str:
        number = 1
        while f"{stem}_{number}" in self._taken:
            number += 1
        self._taken.add(f"{stem}_{number}")
        return f"{stem}_{number}"

    def _arguments(self, call: Call) -> str:
        named = (f"{name}={self._expression(value)}" for name, value in call.kwargs.items())
        return ", ".join([*map(self._expression, call.args), *named])

    def _expression(self, argument: Any) -> str:
        if isinstance(argument, Value):
            return self._names[argument]
        if isinstance(argument, Generator):
            return "generator"
        if isinstance(argument, list | tuple):
            return f"[{', '.join(map(self._expression, argument))}]"
        if isinstance(argument, torch.device):
            return f"torch.device({str(argument)!r})"
        if isinstance(argument, float) and not -1e300 < argument < 1e300:
            return f"float({str(argument)!r})"
        return repr(argument)
