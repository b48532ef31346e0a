"""Find out which operations have other bits under another version of torch: ``make torch``.

All cases of the table of portable operations are computed operation by operation, forwards and
backwards, with a digest of each result, and so are the trainings of the self-test. Where the
results of a case differ, two versions agree up to some operation, which thus had equal arguments:
its bits are other ones, or a version computes by other operations from there on.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from fashionbench.portable.processor import configure_torch, pin_arithmetic

pin_arithmetic()  # Before torch is imported.

import layers  # noqa: E402
import torch  # noqa: E402
from torch.utils import _pytree  # noqa: E402

from fashionbench.training import self_test  # noqa: E402

Steps = list[list[str]]
"""The operations of a case in order, each with the digest of its results."""
_END = "results"
"""Stands for the end of a case, with the digest of its results or an error."""
_UNWRITTEN = ("aten.empty", "aten.new_empty")
"""Operations whose results are whatever was in memory."""


class Traced(layers.Tabled):
    """Keeps a digest of what each operation returns."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: Steps = []

    def __torch_dispatch__(self, func: Any, *others: Any) -> Any:
        found = super().__torch_dispatch__(func, *others)
        if not str(func).startswith(_UNWRITTEN):
            self.steps.append([str(func), digest_of(found)])
        return found


def digest_of(results: Any) -> str:
    """Return a digest of all tensors in what an operation or a case returns."""
    parts = [part for part in _pytree.tree_leaves(results) if isinstance(part, torch.Tensor)]
    bits = b"".join(part.detach().contiguous().numpy().tobytes() for part in parts)
    return hashlib.sha256(bits).hexdigest()


def trace() -> dict[str, Steps]:
    """Compute all cases of the table, and the self-test; a case that fails ends with the error."""
    found: dict[str, Steps] = {}
    for name, case in layers.cases().items():
        torch.manual_seed(2)
        with Traced() as traced:
            try:
                results = digest_of(layers.results(case[0], layers.inputs_of(case)))
            except Exception as error:  # noqa: BLE001 (another torch may fail in any way)
                results = f"{type(error).__name__}: {error}"
        found[name] = [*traced.steps, [_END, results]]
    trainings = {f"training {name}": self_test.train_digest(name) for name in self_test.DIGESTS}
    return found | {name: [[name, digest]] for name, digest in trainings.items()}


def compare(locked: dict[str, Steps], other: dict[str, Steps]) -> dict[str, list[str]]:
    """Return the cases with other results, by the first operation that differs in them."""
    found: dict[str, list[str]] = {}
    for case, steps in locked.items():
        others = other[case]
        if steps[-1] != others[-1]:
            pairs = zip(steps, others, strict=False)
            ours, theirs = next((a, b) for a, b in pairs if a != b)
            said = f"{theirs[0]} is computed instead of {ours[0]}"
            if theirs[0] == ours[0]:
                said = f"{ours[0]} has other bits"
            elif theirs[0] == _END:
                said = f"{ours[0]} is not computed ({theirs[1]})"
            found.setdefault(said, []).append(case)
    return found


def main(arguments: list[str]) -> None:
    """Print a trace as JSON, or the differences of two that are in files, the locked one first."""
    if not arguments:
        configure_torch()
        sys.stdout.write(json.dumps(trace()))
        return
    locked, other = (json.loads(Path(name).read_text(encoding="utf-8")) for name in arguments)
    differing = compare(locked, other)
    for name, cases in sorted(differing.items()):
        sys.stdout.write(f"{name}: {', '.join(cases)}\n")
    count = sum(map(len, differing.values()))
    sys.stdout.write(f"{len(locked) - count} of {len(locked)} cases have the same bits\n")


if __name__ == "__main__":
    main(sys.argv[1:])
