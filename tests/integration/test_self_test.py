"""The committed bits, made here with the kernels of this processor and with slower ones."""

import os
import subprocess
import sys

import pytest
from trainings import forget_kernels

from fashionbench.portable import kernels
from fashionbench.portable.processor import is_x86
from fashionbench.training import self_test

pytestmark = pytest.mark.skipif(not is_x86(), reason="the known bits are those of x86-64")

CAPPED = {"ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "MKL_CBWR": "AVX2"}
"""Kernels for AVX2, also where there is AVX-512."""


def test_this_processor_makes_the_committed_bits() -> None:
    assert self_test.differing() == []


def test_kernels_for_avx2_make_the_committed_bits() -> None:
    code = "from fashionbench.training import self_test; print(self_test.differing())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | CAPPED,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_other_arithmetic_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "CHUNK", 64)
    assert self_test.differing(["n2_mlp"]) == ["n2_mlp"]
    forget_kernels()  # What was chosen for other chunks.
