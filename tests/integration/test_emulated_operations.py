"""Every operation of the table, computed by other processors and by other kernels of this one.

As in test_emulated.py, qemu executes the project's own Python under the identity of another
processor. One process computes all cases.
"""

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import cast

import layers
import pytest
from repositories import PROJECT

from fashionbench.portable.processor import is_x86

QEMU = "qemu-x86_64"
CAPPED = {"ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "MKL_CBWR": "AVX2"}
"""Kernels for AVX2, also where there is AVX-512."""

pytestmark = pytest.mark.skipif(not is_x86(), reason="the bits are promised on x86-64")


def digests(*runner: str, kernel: str = "first", **environment: str) -> dict[str, str]:
    """Return what the cases' results are, computed in a process of their own."""
    done = subprocess.run(
        [*runner, sys.executable, str(Path(layers.__file__)), kernel],
        env=os.environ | {"PYTHONPATH": str(PROJECT / "src")} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # What the emulator does not support, at length.
        text=True,
        check=True,
    )
    return cast(dict[str, str], json.loads(done.stdout))


digests_here = cache(digests)


def differing(found: dict[str, str]) -> list[str]:
    """Return the cases with other bits than this processor's fastest libraries give."""
    expected = digests_here()
    assert len(expected) == len(layers.cases())
    return [name for name in expected if found.get(name) != expected[name]]


def test_other_kernels_give_the_same_bits() -> None:
    assert differing(digests(kernel="last", **CAPPED)) == []


@pytest.mark.slow(minutes=4)
@pytest.mark.skipif(not shutil.which(QEMU), reason=f"there is no {QEMU} (package qemu-user)")
@pytest.mark.parametrize("processor", ["Haswell", "EPYC-Milan"])
def test_other_processors_give_the_same_bits(processor: str) -> None:
    assert differing(digests(QEMU, "-cpu", processor)) == []
