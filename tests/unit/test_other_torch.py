"""``make torch``: the operation whose bits are other ones under another torch is named."""

from collections.abc import Callable

import layers
import other_torch
import pytest
from repositories import PROJECT, Repository
from torch import Tensor

from fashionbench.training import self_test

NAME = "aten.exp.default"


def traced(
    monkeypatch: pytest.MonkeyPatch, exp: Callable[[Tensor], Tensor]
) -> dict[str, other_torch.Steps]:
    """Trace two cases, and no training, under a torch with this exponential function."""
    known = {name: case for name, case in layers.cases().items() if name in ("exp", "square")}
    with monkeypatch.context() as changed:
        changed.setattr(layers, "cases", lambda: known)
        changed.setattr(self_test, "DIGESTS", {})
        changed.setattr(layers, "REPLACED", {NAME: exp})
        return other_torch.trace()


def test_the_first_operation_that_differs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(x: Tensor) -> Tensor:
        raise NotImplementedError("no such operation")

    locked = traced(monkeypatch, Tensor.exp)
    names = [name for name, _ in locked["exp"]]
    assert other_torch.compare(locked, traced(monkeypatch, Tensor.exp)) == {}
    rounded = traced(monkeypatch, lambda x: x.double().exp().nextafter(x.double()).float() * 2)
    assert other_torch.compare(locked, rounded) == {f"{NAME} has other bits": ["exp"]}
    other_way = traced(monkeypatch, lambda x: x.exp())
    begin = other_way["exp"][: names.index(NAME)]
    other_way["exp"] = [*begin, ["aten.exp2.default", "a"], ["results", "b"]]
    said = f"aten.exp2.default is computed instead of {NAME}"
    assert other_torch.compare(locked, other_way) == {said: ["exp"]}
    failing = other_torch.compare(locked, traced(monkeypatch, fails))
    error = "NotImplementedError: no such operation"
    assert failing == {f"{NAME} is not computed ({error})": ["exp"]}


@pytest.mark.tries("make torch", "make torch VERSION=2.13.0")
def test_make_computes_both_versions_and_compares_them() -> None:
    def said(*words: str) -> str:
        done = Repository(PROJECT).run("make", "--dry-run", "torch", *words, check=False)
        return done.stdout + done.stderr

    assert "name a version of torch, such as make torch VERSION=2.13.0" in said()
    recipe = said("VERSION=2.13.0")
    assert "torch==2.13.0" in recipe
    assert recipe.count("python tools/other_torch.py >") == 2
