"""The command ``fashionbench doctor``: reports whether this machine makes the committed bits."""

import re
import shutil
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from fashionbench.errors import VerificationError
from fashionbench.pipeline import processor
from fashionbench.pipeline.machine import available_cores, available_memory
from fashionbench.training import kernels, self_test

_PACKAGES = ("torch", "numpy", "scipy", "pandas", "matplotlib", "mlflow", "dvc")
_FLAGS = ("avx2", "fma", "avx512f", "amx_tile")
_GIB = 2**30
_NEEDED_DISK = 3 * _GIB
"""Bytes that a full run leaves in the workspace and in DVC's cache, rounded up."""


def examine() -> None:
    """Print what matters here, and train small networks with known results.

    Raises ConfigError for an x86-64 processor without AVX2 or FMA, VerificationError if it makes
    other bits or if there is too little space on the disk.
    """
    console = Console(highlight=False)
    console.print(_facts())
    processor.check_processor()
    if not processor.is_x86():
        console.print(
            "Not comparable: the committed bits are those of x86-64 processors. Results are "
            "repeatable here; fashionbench verify compares their scores."
        )
    else:
        differing = self_test.differing()
        console.print(_operations())
        if differing:
            raise VerificationError(
                f"this machine makes other bits ({', '.join(differing)}): {diagnosis()}"
            )
        console.print("This machine makes the committed bits.", style="bold")
    free = shutil.disk_usage(Path()).free
    if free < _NEEDED_DISK:
        raise VerificationError(
            f"{Path().resolve()} has {free / _GIB:.1f} GiB of free space: a full run needs "
            f"{_NEEDED_DISK / _GIB:.0f}; free some, or move DVC's cache (dvc cache dir)"
        )


def diagnosis() -> str:
    """Return in one line what decides about bits here, after :func:`self_test.differing`."""
    failing = [name for name, agrees in kernels.choices.items() if not any(agrees.values())]
    operation = (
        f"the first operation that differs is the {failing[0]}"
        if failing
        else ("every product and convolution is as defined, so one of ATen's operations differs")
    )
    flags = " ".join(flag for flag in _FLAGS if flag in processor.flags())
    return (
        f"{operation}; {processor.name()} ({flags}), torch {version('torch')} with code for "
        f"{torch.backends.cpu.get_cpu_capability()}, {', '.join(_libraries())}"
    )


def _facts() -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1))
    rows = {
        "processor": f"{processor.name()}, {available_cores()} cores to use",
        "features": " ".join(flag for flag in _FLAGS if flag in processor.flags()) or "unknown",
        "torch runs code for": torch.backends.cpu.get_cpu_capability(),
        "libraries": ", ".join(_libraries()),
        "packages": ", ".join(f"{package} {version(package)}" for package in _PACKAGES),
        "memory": f"{available_memory() / _GIB:.1f} GiB",
        "free disk": f"{shutil.disk_usage(Path()).free / _GIB:.1f} GiB",
        "CUDA": torch.cuda.get_device_name() if torch.cuda.is_available() else "no device",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _operations() -> Table:
    """Count by operation the sizes for which each kernel gives the defined bits."""
    table = Table(title="Sizes with the defined bits, by kernel", box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column("Operation", no_wrap=True)
    table.add_column("Kernels")
    by_operation: dict[str, list[dict[str, bool]]] = {}
    for name, agrees in kernels.choices.items():
        operation = re.split(r" \d", name)[0]
        by_operation.setdefault(operation, []).append(agrees)
    for operation, sizes in by_operation.items():
        tried = Counter(kernel for agrees in sizes for kernel in agrees)
        right = Counter(kernel for agrees in sizes for kernel in agrees if agrees[kernel])
        counts = ", ".join(f"{kernel} {right[kernel]} of {tried[kernel]}" for kernel in tried)
        table.add_row(operation, counts)
    return table


def _libraries() -> list[str]:
    """Return MKL and oneDNN with their versions, as torch was built with them."""
    found = re.findall(
        r"(?:\(R\) (oneAPI Math Kernel Library|MKL-DNN))[^\d]*([\d.]+)", torch.__config__.show()
    )
    names = {"oneAPI Math Kernel Library": "MKL", "MKL-DNN": "oneDNN"}
    return [f"{names[name]} {number}" for name, number in found]
