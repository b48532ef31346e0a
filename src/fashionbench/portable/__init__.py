"""Training whose bits are the same on every x86-64 processor with AVX2 and FMA.

:func:`configure` comes first, before torch is imported; then :func:`training_step` and
:func:`forward_pass` derive from any module what computes it in a defined order. docs/portable.md
says what is promised, and what is not.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from fashionbench.portable import processor

if TYPE_CHECKING:
    # This file is imported before torch may be.
    from torch import Tensor, nn

    from fashionbench.portable.step import ForwardPass, TrainingStep

__all__ = ["configure", "forward_pass", "training_step"]


def configure() -> None:
    """Select the code that torch runs in this process, on one thread.

    Raises ConfigError if torch was imported before and has selected other code, or if the processor
    lacks AVX2 or FMA.
    """
    processor.pin_arithmetic()
    processor.check_processor()
    processor.configure_torch()


def training_step(
    module: "nn.Module",
    inputs: "Tensor",
    targets: "Tensor",
    loss: "Callable[[Tensor, Tensor], Tensor]",
    *,
    seed: int = 0,
) -> "TrainingStep":
    """Derive a training step: the outputs of a module in training mode, and all gradients.

    The step holds for batches of the shapes and dtypes of ``inputs`` and ``targets``; ``loss``
    returns a scalar, given outputs and targets. The module's parameters become views of one vector,
    ``parameters`` of the step, which an optimizer can update as a whole; after each call their
    gradients are in ``gradients``. Random numbers of dropout come from ``seed``. ``source`` is the
    step as text; ``unportable`` names what has other bits on other processors.

    Raises whatever the module or the loss raises for these tensors.
    """
    from fashionbench.portable.step import TrainingStep

    return TrainingStep(module, inputs, targets, loss, seed)


def forward_pass(module: "nn.Module", inputs: "Tensor") -> "ForwardPass":
    """Derive the forward pass of a module in evaluation mode, for batches shaped like ``inputs``.

    It computes with the parameters as they are at each call, as long as they stay in their places:
    derive the training step first.
    """
    from fashionbench.portable.step import ForwardPass

    return ForwardPass(module, inputs)
