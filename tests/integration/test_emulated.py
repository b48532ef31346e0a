"""Other processors, emulated, and other kernels of this one: they make the same bits.

qemu executes the project's own Python under the identity of another processor, so that MKL, oneDNN
and ATen select the code that they have for it; its arithmetic is exact. It has no AVX-512.
"""

import json
import os
import shutil
import subprocess
import sys
from typing import cast

import bits
import layers
import pytest
from repositories import PROJECT

from fashionbench.portable.processor import is_x86
from fashionbench.training import self_test

QEMU = "qemu-x86_64"
PROCESSORS = ("Haswell", "EPYC-Milan")
"""One of each maker."""
CAPPED = {"ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "MKL_CBWR": "AVX2"}
"""Kernels for AVX2, also where there is AVX-512."""

Digests = dict[str, dict[str, str]]

pytestmark = pytest.mark.skipif(not is_x86(), reason="the bits are promised on x86-64")


def made(*runner: str, what: tuple[str, ...], kernel: str = "first", **variables: str) -> Digests:
    """Return the bits that a process of its own makes."""
    done = subprocess.run(
        [*runner, sys.executable, bits.__file__, kernel, *what],
        env=os.environ | {"PYTHONPATH": str(PROJECT / "src")} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # What the emulator does not support, at length.
        text=True,
        check=True,
    )
    return cast(Digests, json.loads(done.stdout))


def differing(found: Digests, expected: Digests) -> list[str]:
    """Return what has other bits than expected."""
    assert len(expected["operations"]) == len(layers.cases())
    return [
        name
        for what, digests in expected.items()
        for name, digest in digests.items()
        if found[what].get(name) != digest
    ]


@pytest.mark.slow
def test_other_kernels_give_the_same_bits() -> None:
    what = ("operations",)
    assert differing(made(what=what, kernel="last", **CAPPED), made(what=what)) == []


@pytest.mark.emulated
@pytest.mark.skipif(not shutil.which(QEMU), reason=f"there is no {QEMU} (package qemu-user)")
@pytest.mark.parametrize("processor", PROCESSORS)
def test_other_processors_give_the_same_bits(processor: str) -> None:
    """One process computes everything: torch alone takes the emulator long to import."""
    what = ("operations", "networks", "example")
    here = made(what=what)
    # What is compared is right: the committed bits, and all of it portable.
    assert here["networks"][bits.WHOLE] == self_test.DIGESTS[bits.WHOLE]
    assert "outside of the table: ()" in here["example"]["example"]
    assert differing(made(QEMU, "-cpu", processor, what=what), here) == []


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
