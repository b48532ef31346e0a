"""Refuse a module of the user's own that could not be trained, or not repeatably: in one line."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from fashionbench.networks import own
from fashionbench.networks.declared import build
from fashionbench.params import Network

_MODULES_OWN = frozenset(vars(nn.Module()))
"""Attributes that every module has."""
_DEEPEST = 20
"""Levels of lists and mappings that are compared; one may hold itself."""


def inspect_module(network: Network, batch_sizes: Iterable[int]) -> None:
    """Raise ConfigError unless a network's module can be trained, with results that repeat.

    It has to map images to finite logits that depend on its parameters, in training for each of the
    sizes of batches, and to keep nothing between calls but its buffers.
    """
    inspected = _Inspection(network)
    for size in sorted(batch_sizes):
        inspected.train(size)
    inspected.evaluate()


class _Inspection:
    """A module of a network, and what it was like when it was made."""

    def __init__(self, network: Network) -> None:
        self._network, self._image = network, network.shape
        self._module = self._build(seed=0)
        # Without the layer that arranges images, whose name would confuse.
        self._own = self._module[1]
        self._check_tensors()
        self._state = {name: found.clone() for name, found in self._module.state_dict().items()}
        self._check_first_weights()

    def train(self, images: int) -> None:
        """Check calls in training, and the gradients."""
        self._module.train()
        self._module.load_state_dict(self._state)
        before = self._kept()
        logits = self._logits(images)
        self._check_gradients(logits)
        self._check_kept(before)
        self._module.load_state_dict(self._state)
        if not torch.equal(logits, self._logits(images)):
            raise self._refuse(
                "returns other logits when it is called again: it keeps state outside of its "
                "buffers, or draws random numbers by other means than torch's"
            )

    @torch.no_grad()
    def evaluate(self) -> None:
        """Check calls in evaluation, also of the module as made once more."""
        self._module.eval()
        self._module.load_state_dict(self._state)
        before = self._kept()
        logits = self._logits(4)
        if not torch.equal(logits, self._logits(4, seed=1)):
            raise self._refuse(
                "returns other logits when it is called again: it keeps state between calls, or "
                "draws random numbers in evaluation; keep neither"
            )
        self._check_kept(before)
        for name, found in self._module.state_dict().items():
            if not torch.equal(found, self._state[name]):
                raise self._refuse(f"changes {_short(name)} in evaluation; do so in training only")
        self._module = self._build(seed=1).eval()
        try:
            self._module.load_state_dict(self._state)
            is_same = torch.equal(logits, self._logits(4))
        except RuntimeError:
            is_same = False
        if not is_same:
            raise self._refuse(
                "is another one when it is made again with the same parameters and buffers: it "
                "keeps random numbers elsewhere; register them as a buffer"
            )

    def _build(self, seed: int) -> nn.Sequential:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            try:
                return build(self._network)
            except SystemExit as error:
                raise self._refuse("ends Python when it is imported or made") from error
            finally:
                self._random_state = torch.get_rng_state()

    def _check_first_weights(self) -> None:
        """Check that they are drawn from torch's random numbers, which each replicate seeds."""
        again, after_first_seed = self._build(seed=0), self._random_state
        if again[1] is self._own:
            raise self._refuse("is one and the same module whenever it is made; make a new one")
        for name, found in again.state_dict().items():
            if not torch.equal(found, self._state[name]):
                raise self._refuse(
                    f"has another {_short(name)} when it is made again with the same seed: draw it "
                    "from torch's random numbers, and none of them when the file is imported"
                )
        self._build(seed=1)
        if torch.equal(self._random_state, after_first_seed):
            raise self._refuse(
                "seeds torch's random numbers itself, so that all replicates would start alike; "
                "leave that to the pipeline"
            )

    def _check_tensors(self) -> None:
        parameters = dict(self._own.named_parameters())
        if not any(parameter.requires_grad for parameter in parameters.values()):
            raise self._refuse("makes a module without parameters to train")
        for name, found in (*parameters.items(), *self._own.named_buffers()):
            if is_lazy(found):
                raise self._refuse(f"leaves the shape of {name} open; give its size")
            if not _is_plain(found):
                raise self._refuse(f"has {name} on another device, or not dense; keep it plain")
            if not found.numel():
                raise self._refuse(f"has {name} without elements; leave it out")
            if found.is_floating_point() and found.isnan().any():
                raise self._refuse(f"starts with {name} that is not a number")
        for name, parameter in parameters.items():
            if parameter.dtype != torch.float32:
                raise self._refuse(f"has {name} of {parameter.dtype}; make it torch.float32")
        for name, kept in self._own.state_dict().items():
            if not isinstance(kept, Tensor):
                raise self._refuse(f"keeps {name}, a {type(kept).__name__}; make it a tensor")

    def _logits(self, images: int, seed: int = 0) -> Tensor:
        """Call the module on random images. Raises ConfigError unless it returns finite logits."""
        network = self._network
        inputs = torch.rand(images, *self._image, generator=torch.Generator().manual_seed(0))
        shape = (images, *(self._image[2:] or (1,)), *self._image[:2])
        mode = "training" if self._module.training else "evaluation"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            logits = self._call(f"in {mode} for images of shape {shape}", self._module, inputs)
        wanted = (images, network.num_classes)
        if not isinstance(logits, Tensor) or tuple(logits.shape) != wanted:
            is_tensor = isinstance(logits, Tensor)
            found = tuple(logits.shape) if is_tensor else f"a {type(logits).__name__}"
            raise self._refuse(
                f"returns {found} for {images} images instead of logits of shape {wanted}"
            )
        if not _is_plain(logits):
            raise self._refuse("returns logits on another device, or not dense")
        if logits.dtype != torch.float32:
            raise self._refuse(f"returns logits of {logits.dtype}; make them torch.float32")
        if not logits.isfinite().all():
            raise self._refuse("returns logits that are not finite numbers")
        return logits

    def _check_gradients(self, logits: Tensor) -> None:
        if not logits.requires_grad:
            raise self._refuse("returns logits that depend on no parameter that can be trained")
        trained = [p for p in self._module.parameters() if p.requires_grad]
        call = torch.autograd.grad
        self._call("in the backward pass", call, logits.sum(), trained, allow_unused=True)

    def _call(self, where: str, function: Callable[..., Any], *given: Any, **options: Any) -> Any:
        """Call what runs the user's code, which may raise anything. Raises ConfigError."""
        try:
            return function(*given, **options)
        except Exception as error:
            raise self._refuse(f"raises {own.in_words(error)} {where}") from error
        except SystemExit as error:
            raise self._refuse(f"ends Python {where}") from error

    def _kept(self) -> dict[str, "_Same"]:
        """Return what the module keeps, by name, but for what is in its state dict."""
        found = {}
        for prefix, part in self._own.named_modules():
            for name, value in vars(part).items():
                if name not in _MODULES_OWN:
                    found[f"{prefix}.{name}".lstrip(".")] = _Same(value)
        saved = self._own.state_dict().keys()
        for name, tensor in (*self._own.named_parameters(), *self._own.named_buffers()):
            found[name] = _Same(tensor, may_change=name in saved)
        for name, same in found.items():
            if isinstance(same.value, torch.Generator):
                raise self._refuse(
                    f"has a random generator, {name}; draw without one: each replicate seeds "
                    "torch's own"
                )
        return found

    def _check_kept(self, before: dict[str, "_Same"]) -> None:
        now = self._kept()
        for name in [*now, *before]:
            if name not in now or name not in before or now[name] != before[name]:
                raise self._refuse(
                    f"changes {name} when it is called, which is lost where another process goes "
                    "on; keep it in a buffer, and change that in place"
                )

    def _refuse(self, why: str) -> Exception:
        return own.refuse(self._network, why)


class _Same:
    """Something kept by a module, to be compared with what is kept later.

    Tensors are the same if they are one tensor that nothing has changed, unless it ``may_change``.
    """

    def __init__(self, value: object, *, may_change: bool = False) -> None:
        self.value = value
        self._fact: object = self._describe(value)
        if isinstance(value, Tensor) and may_change:
            self._fact = id(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._fact == other._fact

    __hash__ = None  # type: ignore[assignment]

    def _describe(self, value: object, depth: int = 0) -> object:
        if isinstance(value, Tensor):
            return id(value), value._version
        if isinstance(value, np.ndarray):
            return id(value), value.tobytes()
        if depth == _DEEPEST:
            return id(value)
        if isinstance(value, list | tuple | set | deque):
            return type(value), [self._describe(part, depth + 1) for part in value]
        if isinstance(value, dict):
            return [(key, self._describe(part, depth + 1)) for key, part in value.items()]
        is_plain = isinstance(value, bool | int | float | str | bytes | None)
        return repr(value) if is_plain else id(value)


def _is_plain(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu" and tensor.layout == torch.strided


def _short(name: str) -> str:
    """Return the name of a tensor as the user's module has it."""
    return name.partition(".")[2]
