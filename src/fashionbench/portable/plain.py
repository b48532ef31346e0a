"""A training step and a forward pass by torch alone, for modules from which none can be derived.

Their bits hold for one kind of processor only.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fashionbench.portable.trace import Gradient


@dataclass(frozen=True, kw_only=True)
class Pass:
    """A derived pass, ready to be carried out: fill ``inputs`` and ``targets``, then call it.

    It returns the outputs, which the next call overwrites. A forward pass has no ``targets``.
    ``source`` is its text, empty if it could not be derived; ``unportable`` names the operations
    whose bits hold for one kind of processor only.
    """

    inputs: Tensor
    targets: Tensor
    outputs_shape: tuple[int, ...]
    run: Callable[[], Tensor]
    source: str
    unportable: tuple[str, ...]

    def __call__(self) -> Tensor:
        """Carry the pass out."""
        return self.run()


def autograd_step(
    module: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    gradient_of: Gradient,
    gradients: Mapping[str, Tensor],
    generator: torch.Generator,
    reason: str,
) -> Pass:
    """Return a step that autograd carries out, otherwise as a derived one.

    What the module draws from torch's global generator is seeded by ``generator`` in each step.
    """
    own_inputs, own_targets = torch.zeros_like(inputs), torch.zeros_like(targets)
    with torch.inference_mode(False):
        # Tensors of inference mode, in which training runs, cannot be differentiated.
        leaves = {name: p.detach().clone() for name, p in module.named_parameters()}
        buffers = {name: b.detach().clone() for name, b in module.named_buffers()}

    def run() -> Tensor:
        seed = torch.randint(2**62, (), generator=generator)
        with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(seed.item()))
            with torch.no_grad():
                for name, parameter in module.named_parameters():
                    leaves[name].requires_grad_(False).copy_(parameter)
                for name, buffer in module.named_buffers():
                    buffers[name].copy_(buffer)
            with torch.enable_grad():
                trained = {name: leaves[name].requires_grad_() for name in gradients}
                outputs = torch.func.functional_call(
                    module, {**leaves, **buffers}, (own_inputs.clone(),)
                )
                gradient = gradient_of(outputs.detach(), own_targets.clone())
                found = torch.autograd.grad(
                    outputs, list(trained.values()), gradient, allow_unused=True
                )
        for name, own in zip(trained, found, strict=True):
            gradients[name].zero_() if own is None else gradients[name].copy_(own)
        for name, buffer in module.named_buffers():
            buffer.copy_(buffers[name])
        found_outputs: Tensor = outputs.detach()
        return found_outputs

    with torch.inference_mode(False), torch.random.fork_rng(devices=[]), torch.no_grad():
        # On copies: in training, a call may change buffers.
        copies = {name: tensor.clone() for name, tensor in (leaves | buffers).items()}
        shape = tuple(torch.func.functional_call(module, copies, (inputs.clone(),)).shape)
    return Pass(
        inputs=own_inputs,
        targets=own_targets,
        outputs_shape=tuple(shape),
        run=run,
        source="",
        unportable=(reason,),
    )


def plain_forward(module: nn.Module, inputs: Tensor, reason: str) -> Pass:
    """Return a forward pass that calls the module, in its present mode."""
    own_inputs, is_training = torch.zeros_like(inputs), module.training

    def run() -> Tensor:
        was_training = module.training
        with torch.no_grad():
            outputs: Tensor = module.train(is_training)(own_inputs)
        module.train(was_training)
        return outputs

    return Pass(
        inputs=own_inputs,
        targets=torch.empty(0),
        outputs_shape=tuple(run().shape),
        run=run,
        source="",
        unportable=(reason,),
    )
