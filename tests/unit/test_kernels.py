"""Kernels are chosen by the definition, and what is tried is what is computed later."""

import logging
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from fashionbench.training import arithmetic, definition, kernels


def off_by_a_bit(a: Sequence[Tensor], b: Sequence[Tensor], out: Tensor) -> Tensor:
    return out.copy_((torch.cat(tuple(a), 1).double() @ torch.cat(tuple(b)).double()).float())


def test_kernels_that_disagree_are_not_used(
    new_process: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = definition.product_example(20, 128, 32, arithmetic.CHUNK).operands
    expected = arithmetic.product(a, b)
    kernels_forget()
    monkeypatch.setattr(arithmetic, "_multiply_by_mkl", off_by_a_bit)
    assert torch.equal(arithmetic.product(a, b), expected)
    assert arithmetic.choices["product 20x128 by 128x32"] == {"MKL": False, "oneDNN": True}

    kernels_forget()
    monkeypatch.setattr(arithmetic, "_multiply_by_onednn", off_by_a_bit)
    with caplog.at_level(logging.WARNING):
        arithmetic.product(a, b)
    assert "no kernel computes the product 20x128 by 128x32 as it is defined" in caplog.text
