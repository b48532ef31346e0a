"""The forward and the backward pass of a network in training, written out layer by layer.

Autograd finds the same gradients, and the tests hold each network's against it. But on networks
this small its bookkeeping takes longer than the arithmetic: without it, a step is some thirty
operations. All parameters lie in one vector and all gradients in another, so that the optimizer
and the penalties are one operation each. The module's own parameters become views of that vector:
at any moment the module is the network as it has been trained so far.
"""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from fashionbench.params import Precision
from fashionbench.training.networks import ChannelsLastFlatten, Dropout

_relu_backward = torch.ops.aten.threshold_backward.grad_input
_conv_backward = torch.ops.aten.convolution_backward.default
_batch_norm_backward = torch.ops.aten.native_batch_norm_backward.default

Views = dict[Tensor, Tensor]
"""By parameter, its part of a vector, in the parameter's own shape and memory layout."""


class TrainingNetwork:
    """A module in training: its parameters, their gradients, and the passes that fill those.

    ``parameters`` and ``gradients`` are float32 vectors with a value a trainable parameter. With
    precision bfloat16, the passes compute with a rounded copy of the parameters.
    """

    def __init__(self, module: nn.Sequential, precision: Precision) -> None:
        self.parameters = _move_into_one_vector(module)
        self.gradients = torch.zeros_like(self.parameters)
        dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
        # For float32 these are the vectors above themselves, and not copies.
        self._used, self._found = self.parameters.to(dtype), self.gradients.to(dtype)
        value, gradient = views(self._used, module), views(self._found, module)
        self._layers = [_LAYERS[type(layer)](layer, value, gradient) for layer in module]
        has_parameters = [any(True for _ in layer.parameters()) for layer in module]
        # Nobody needs a gradient for the images.
        self._differentiated = self._layers[has_parameters.index(True) :]
        self._differentiated[0].is_first = True

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits, float32 of shape (n, classes), of inputs in [0, 1] of shape (n, 28, 28)."""
        if self._used is not self.parameters:
            self._used.copy_(self.parameters)
        values = inputs.to(self._used.dtype)
        for layer in self._layers:
            values = layer.forward(values)
        return values.float()

    def backward(self, gradient: Tensor) -> None:
        """Fill ``gradients``, given the gradient for the logits of the last forward pass."""
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
    """Cut a vector into the parameters of a module."""
    parameters = list(module.parameters())
    parts = vector.split([parameter.numel() for parameter in parameters])
    return {
        parameter: part.as_strided(parameter.shape, parameter.stride(), part.storage_offset())
        for parameter, part in zip(parameters, parts, strict=True)
    }


class _Layer:
    """What a layer does in training. Each pass may overwrite the tensor that it is given."""

    is_first = False
    """Whether the gradient for the inputs is of no use, so that anything may be returned."""

    def forward(self, inputs: Tensor) -> Tensor:
        """The outputs; what the backward pass will need is kept."""
        raise NotImplementedError

    def backward(self, gradient: Tensor) -> Tensor:
        """Take the gradient for the outputs, keep that for parameters, return that for inputs."""
        raise NotImplementedError


class _Linear(_Layer):
    def __init__(self, layer: nn.Linear, value: Views, gradient: Views) -> None:
        self.weight, self.bias = value[layer.weight], value[layer.bias]
        self.weight_gradient, self.bias_gradient = gradient[layer.weight], gradient[layer.bias]
        self.weight_by_input, self.gradient_by_input = self.weight.t(), self.weight_gradient.t()

    def forward(self, inputs: Tensor) -> Tensor:
        self.inputs = inputs
        return torch.addmm(self.bias, inputs, self.weight_by_input)

    def backward(self, gradient: Tensor) -> Tensor:
        torch.mm(self.inputs.t(), gradient, out=self.gradient_by_input)
        torch.sum(gradient, 0, out=self.bias_gradient)
        return gradient if self.is_first else torch.mm(gradient, self.weight)


class _Conv2d(_Layer):
    def __init__(self, layer: nn.Conv2d, value: Views, gradient: Views) -> None:
        self.stride, self.padding, self.dilation = layer.stride, layer.padding, layer.dilation
        self.weight, self.bias = value[layer.weight], value[cast(Tensor, layer.bias)]
        self.weight_gradient = gradient[layer.weight]
        self.bias_gradient = gradient[cast(Tensor, layer.bias)]

    def forward(self, inputs: Tensor) -> Tensor:
        self.inputs = inputs
        return torch.conv2d(
            inputs, self.weight, self.bias, self.stride, self.padding, self.dilation
        )

    def backward(self, gradient: Tensor) -> Tensor:
        geometry = (self.stride, self.padding, self.dilation, False, (0, 0), 1)
        # The bias is summed apart from the rest, in half of the time.
        wanted = (not self.is_first, True, False)
        for_inputs, for_weight, _ = _conv_backward(
            gradient, self.inputs, self.weight, None, *geometry, wanted
        )
        self.weight_gradient.copy_(for_weight)
        torch.sum(gradient, (0, 2, 3), out=self.bias_gradient)
        return gradient if self.is_first else for_inputs


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
        # Of images in channels-last order, torch's sums lose half of their digits.
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
        # Dropout may zero more of them afterwards; the gradient it hands back is zero there too.
        self.outputs = inputs.relu_()
        return self.outputs

    def backward(self, gradient: Tensor) -> Tensor:
        return cast(Tensor, _relu_backward(gradient, self.outputs, 0, grad_input=gradient))


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
        # Only ChannelsLastFlatten stands behind a layer with parameters.
        n, channels, height, width = self.shape
        return gradient.view(n, height, width, channels).permute(0, 3, 1, 2)


_LAYERS: dict[type[nn.Module], Callable[..., _Layer]] = {
    nn.Linear: _Linear,
    nn.Conv2d: _Conv2d,
    nn.BatchNorm1d: _BatchNorm,
    nn.BatchNorm2d: _BatchNorm,
    nn.ReLU: _ReLU,
    Dropout: _Dropout,
    nn.Unflatten: _Reshape,
    nn.Flatten: _Reshape,
    ChannelsLastFlatten: _Reshape,
}
