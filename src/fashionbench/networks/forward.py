"""The forward pass of a network outside training, in the arithmetic of training."""

from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from fashionbench.params import Device, Precision
from fashionbench.portable.plain import Pass
from fashionbench.portable.step import forward_pass

INPUT_SCALE = 1 / 255
"""From pixels, 0 to 255, to inputs: a product takes two thirds of the time of a quotient."""
INFERENCE_BATCH = 128
"""Images in one forward pass outside training: enough for matrix products to be efficient, few
enough for the activations of a convolution to stay in a cache."""

_passes: WeakKeyDictionary[nn.Module, dict[tuple[object, ...], Pass]] = WeakKeyDictionary()
"""Passes by module, and by the size of a batch and the precision."""


def pixels_to_inputs(images: Tensor, out: Tensor | None = None) -> Tensor:
    """Convert uint8 images of any shape to float32 inputs in [0, 1] of that shape.

    Fills and returns ``out`` if it is given.
    """
    return torch.mul(images, INPUT_SCALE, out=out)


def autocast(device: Device, precision: Precision) -> torch.autocast:
    """Return the context in which a pass has the given precision."""
    return torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16")


@torch.inference_mode()
def infer(module: nn.Module, images: Tensor, precision: Precision = "float32") -> Tensor:
    """Return logits, float32 of shape (n, classes), of uint8 images, in evaluation mode.

    Images are computed in batches of one size, the last one filled up with black images. Restores
    the module's mode. Its parameters have to stay where they are from the first call on.
    """
    size = max(1, min(len(images), INFERENCE_BATCH))
    forward = _pass_of(module, (size, *images.shape[1:]), images.device, precision)
    # Made beforehand: small tensors kept between large ones that come and go leave holes in the
    # heap, which in n8_conv cost up to a gigabyte.
    logits = torch.empty(len(images), *forward.outputs_shape[1:], device=images.device)
    for rows, batch in zip(logits.split(size), images.split(size), strict=True):
        pixels_to_inputs(batch, out=forward.inputs[: len(batch)])
        forward.inputs[len(batch) :].zero_()
        rows.copy_(forward()[: len(batch)])
    return logits


def _pass_of(
    module: nn.Module, shape: tuple[int, ...], device: torch.device, precision: Precision
) -> Pass:
    passes = _passes.setdefault(module, {})
    key = (shape, device, precision)
    if key not in passes:
        was_training = module.training
        module.eval()
        with autocast(device.type, precision):  # type: ignore[arg-type]
            passes[key] = forward_pass(module, torch.zeros(shape, device=device))
        module.train(was_training)
    return passes[key]
