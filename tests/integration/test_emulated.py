"""Other processors, emulated: they make the committed bits as well.

qemu executes the project's own Python under the identity of another processor, so that MKL, oneDNN
and ATen select the code that they have for it; its arithmetic is exact. It has no AVX-512.
"""

import os
import shutil
import subprocess
import sys

import pytest
from repositories import PROJECT

from fashionbench.training.self_test import LAST_BATCH

QEMU = "qemu-x86_64"
PROCESSORS = ("Haswell", "EPYC-Milan")
"""One of each maker."""
WITH_CONVOLUTIONS = "EPYC-Milan"
"""Minutes; for a Haswell, what MKL and oneDNN do when restricted to AVX2 is tested natively."""

pytestmark = [
    pytest.mark.slow(minutes=4),
    pytest.mark.skipif(not shutil.which(QEMU), reason=f"there is no {QEMU} (package qemu-user)"),
]

# Uses the first kernel that gives the defined bits: which one is the fastest here says nothing.
CODE = """
import sys
from fashionbench.portable.processor import pin_arithmetic
pin_arithmetic()
from fashionbench.portable import kernels
from fashionbench.training import self_test

def choose_first(name, tried, operands, example):
    return next(iter(kernels._agreeing(tried, operands, example).values()))

kernels._choose = choose_first
print(self_test.differing(sys.argv[1:]))
"""


@pytest.mark.parametrize("processor", PROCESSORS)
def test_networks_are_trained_to_the_committed_bits(processor: str) -> None:
    networks = ["n2_mlp", "n5_batch_norm", "n6_l1"]
    if processor == WITH_CONVOLUTIONS:
        networks.append(f"n8_conv{LAST_BATCH}")
    assert differing(processor, *networks) == "[]"


def test_the_example_prints_one_digest_on_all_processors() -> None:
    example = PROJECT / "examples" / "portable_training.py"
    native = subprocess.run(
        [sys.executable, example], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    assert "outside of the table: ()" in native
    for processor in PROCESSORS:
        emulated = subprocess.run(
            [QEMU, "-cpu", processor, sys.executable, example],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # As below.
            text=True,
            check=True,
        ).stdout
        assert emulated == native, processor


def differing(processor: str, *networks: str) -> str:
    """Return the list that a processor prints of networks that it trains to other bits."""
    done = subprocess.run(
        [QEMU, "-cpu", processor, sys.executable, "-c", CODE, *networks],
        env=os.environ | {"PYTHONPATH": str(PROJECT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # What the emulator does not support, at length.
        text=True,
        check=True,
    )
    return done.stdout.strip()
