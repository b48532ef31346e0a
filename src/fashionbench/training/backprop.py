"""The forward and the backward pass of a network in training, written out layer by layer.

Autograd finds the same gradients (the tests compare each network's), but on networks this small its
bookkeeping takes longer than the arithmetic. Written out, a step is some thirty operations: n2_mlp
takes half the time of the same loop with autograd, n3_mlp two thirds and n8_conv six sevenths
(benchmarks/results.md). The price is this file: a layer that it does not know has to be added to
it, with both of its passes.

All parameters lie in one vector and all gradients in another, so that the optimizer and the
penalties are one operation each. The module's parameters become views of that vector: at any moment
the module is the network as trained so far.
"""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from fashionbench.params import Precision
from fashionbench.training import arithmetic
from fashionbench.training.networks import ChannelsLastFlatten, Dropout

_relu_backward = torch.ops.aten.threshold_backward.grad_input
_max_pool = torch.ops.aten.max_pool2d_with_indices.default
_max_pool_backward = torch.ops.aten.max_pool2d_with_indices_backward.default
_batch_norm_backward = torch.ops.aten.native_batch_norm_backward.default

Views = dict[Tensor, Tensor]
"""For each parameter its part of a vector, in the parameter's own shape and memory layout."""


class TrainingNetwork:
    """A module in training: its parameters, their gradients, and the passes that compute these.

    ``parameters`` and ``gradients`` are float32 vectors with one value per trainable parameter.
    With precision bfloat16, the passes compute with a rounded copy of the parameters. Raises
    NotImplementedError for a module with a layer of an unknown type.
    """

    def __init__(self, module: nn.Sequential, precision: Precision) -> None:
        self.parameters = _move_into_one_vector(module)
        self.gradients = torch.zeros_like(self.parameters)
        dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
        # For float32 these are the vectors above, not copies.
        self._used, self._found = self.parameters.to(dtype), self.gradients.to(dtype)
        value, gradient = views(self._used, module), views(self._found, module)
        self._layers = [_passes_of(layer, value, gradient) for layer in module]
        has_parameters = [any(True for _ in layer.parameters()) for layer in module]
        # The gradient for the images is not needed.
        self._differentiated = self._layers[has_parameters.index(True) :]
        self._differentiated[0].is_first = True

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits, float32 (n, classes), of inputs in [0, 1] of shape (n, 28, 28)."""
        if self._used is not self.parameters:
            self._used.copy_(self.parameters)
        values = inputs.to(self._used.dtype)
        for layer in self._layers:
            values = layer.forward(values)
        return values.float()

    def backward(self, gradient: Tensor) -> None:
        """Fill ``gradients``, given the gradient (n, classes) for the last logits."""
        gradient = gradient.to(self._found.dtype)
        for layer in reversed(self._differentiated):
            gradient = layer.backward(gradient)
        if self._found is not self.gradients:
            self.gradients.copy_(self._found)


def _move_into_one_vector(module: nn.Module) -> Tensor:
    parameters = list(module.parameters())
    vector = torch.empty(sum(p.numel() for p in parameters), device=parameters[0].device)
    for parameter, part in views(vector, module).items():
        parameter.data = part.copy_(parameter.detach())
    return vector


def views(vector: Tensor, module: nn.Module) -> Views:
    """Cut a vector into views, one per parameter of a module."""
    parameters = list(module.parameters())
    parts = vector.split([parameter.numel() for parameter in parameters])
    return {
        parameter: part.as_strided(parameter.shape, parameter.stride(), part.storage_offset())
        for parameter, part in zip(parameters, parts, strict=True)
    }


class _Layer:
    """The two passes of a layer. Each may overwrite the tensor that it is given."""

    is_first = False
    """Whether the gradient for the inputs is not needed, so that anything may be returned."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs, and keep what the backward pass needs."""
        raise NotImplementedError

    def backward(self, gradient: Tensor) -> Tensor:
        """Take the gradient for the outputs, store those for parameters, return that for inputs."""
        raise NotImplementedError


class _Linear(_Layer):
    def __init__(self, layer: nn.Linear, value: Views, gradient: Views) -> None:
        self.weight, self.bias = value[layer.weight], value[layer.bias]
        self.weight_gradient, self.bias_gradient = gradient[layer.weight], gradient[layer.bias]
        self.forward_product, self.backward_product = arithmetic.Product(), arithmetic.Product()
        self.weight_product = arithmetic.Product(out=self.weight_gradient.t())
        self.weight_by_input = self.weight.t()

    def forward(self, inputs: Tensor) -> Tensor:
        self.inputs = inputs
        return self.forward_product(inputs, self.weight_by_input).add_(self.bias)

    def backward(self, gradient: Tensor) -> Tensor:
        self.weight_product(self.inputs.t(), gradient)
        torch.sum(gradient, 0, out=self.bias_gradient)
        return gradient if self.is_first else self.backward_product(gradient, self.weight)


class _Conv2d(_Layer):
    def __init__(self, layer: nn.Conv2d, value: Views, gradient: Views) -> None:
        self.weight, self.bias = value[layer.weight], value[cast(Tensor, layer.bias)]
        self.weight_gradient = gradient[layer.weight]
        self.bias_gradient = gradient[cast(Tensor, layer.bias)]

    def forward(self, inputs: Tensor) -> Tensor:
        self.inputs = inputs
        return arithmetic.convolution(inputs, self.weight, self.bias)

    def backward(self, gradient: Tensor) -> Tensor:
        operands = (gradient, self.inputs, self.weight)
        self.weight_gradient.copy_(arithmetic.convolution_weight_gradient(*operands))
        torch.sum(gradient, (0, 2, 3), out=self.bias_gradient)
        return gradient if self.is_first else arithmetic.convolution_input_gradient(*operands)


class _BatchNorm(_Layer):
    def __init__(
        self, layer: nn.BatchNorm1d | nn.BatchNorm2d, value: Views, gradient: Views
    ) -> None:
        self.weight, self.bias = value[layer.weight], value[layer.bias]
        self.weight_gradient, self.bias_gradient = gradient[layer.weight], gradient[layer.bias]
        self.running = (layer.running_mean, layer.running_var)
        self.batches = cast(Tensor, layer.num_batches_tracked)
        self.momentum, self.eps = cast(float, layer.momentum), layer.eps

    def forward(self, inputs: Tensor) -> Tensor:
        # For images in channels-last order, torch's sums lose half of their digits.
        self.inputs = inputs.contiguous()
        self.batches.add_(1)
        outputs, *self.statistics = torch.native_batch_norm(
            self.inputs,
            self.weight.float(),
            self.bias.float(),
            *self.running,
            training=True,
            momentum=self.momentum,
            eps=self.eps,
        )
        return outputs

    def backward(self, gradient: Tensor) -> Tensor:
        for_inputs, for_weight, for_bias = _batch_norm_backward(
            gradient.contiguous(),
            self.inputs,
            self.weight.float(),
            *self.running,
            *self.statistics,
            True,
            self.eps,
            (True, True, True),
        )
        self.weight_gradient.copy_(for_weight)
        self.bias_gradient.copy_(for_bias)
        return cast(Tensor, for_inputs)


class _ReLU(_Layer):
    def __init__(self, layer: nn.ReLU, value: Views, gradient: Views) -> None:
        pass

    def forward(self, inputs: Tensor) -> Tensor:
        # Dropout may zero more outputs afterwards; the gradient that it returns is zero there too.
        self.outputs = inputs.relu_()
        return self.outputs

    def backward(self, gradient: Tensor) -> Tensor:
        return cast(Tensor, _relu_backward(gradient, self.outputs, 0, grad_input=gradient))


class _MaxPool(_Layer):
    def __init__(self, layer: nn.MaxPool2d, value: Views, gradient: Views) -> None:
        self.window = (cast(int, layer.kernel_size),) * 2

    def forward(self, inputs: Tensor) -> Tensor:
        self.inputs = inputs
        outputs, self.indices = _max_pool(inputs, self.window)
        return cast(Tensor, outputs)

    def backward(self, gradient: Tensor) -> Tensor:
        nothing = ((0, 0), (1, 1), False)  # Padding, dilation, rounding up.
        operands = (gradient, self.inputs, self.window, self.window, *nothing, self.indices)
        return cast(Tensor, _max_pool_backward(*operands))


class _Dropout(_Layer):
    def __init__(self, layer: Dropout, value: Views, gradient: Views) -> None:
        self.draw_mask = layer.draw_mask

    def forward(self, inputs: Tensor) -> Tensor:
        self.mask = self.draw_mask(inputs)
        return inputs.mul_(self.mask)

    def backward(self, gradient: Tensor) -> Tensor:
        return gradient.mul_(self.mask)


class _Reshape(_Layer):
    def __init__(
        self,
        layer: nn.Unflatten | nn.Flatten | ChannelsLastFlatten,
        value: Views,
        gradient: Views,
    ) -> None:
        self.reshape = layer.forward

    def forward(self, inputs: Tensor) -> Tensor:
        outputs = self.reshape(inputs)
        self.shape = inputs.shape
        return outputs

    def backward(self, gradient: Tensor) -> Tensor:
        # Only ChannelsLastFlatten follows a layer with parameters.
        n, channels, height, width = self.shape
        return gradient.view(n, height, width, channels).permute(0, 3, 1, 2)


def _passes_of(layer: nn.Module, value: Views, gradient: Views) -> _Layer:
    passes = _LAYERS.get(type(layer))
    if passes is None:
        known = ", ".join(sorted(known.__name__ for known in _LAYERS))
        raise NotImplementedError(
            f"layer {type(layer).__name__}: {__name__} has no passes for it, only for {known}; "
            "add a class with both passes to _LAYERS"
        )
    return passes(layer, value, gradient)


_LAYERS: dict[type[nn.Module], Callable[..., _Layer]] = {
    nn.Linear: _Linear,
    nn.Conv2d: _Conv2d,
    nn.BatchNorm1d: _BatchNorm,
    nn.BatchNorm2d: _BatchNorm,
    nn.ReLU: _ReLU,
    nn.MaxPool2d: _MaxPool,
    Dropout: _Dropout,
    nn.Unflatten: _Reshape,
    nn.Flatten: _Reshape,
    ChannelsLastFlatten: _Reshape,
}
