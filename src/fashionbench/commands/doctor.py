"""The command ``fashionbench doctor``: reports whether this machine makes the committed bits."""

import re
import shutil
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from fashionbench.errors import VerificationError
from fashionbench.params import PARAMS_FILE, load_params
from fashionbench.pipeline.machine import available_cores, available_memory
from fashionbench.pipeline.rebuilds import numeric_libraries
from fashionbench.portable import kernels, processor
from fashionbench.terminal import open_console, print_table
from fashionbench.training import self_test

_PACKAGES = ("torch", "numpy", "scipy", "pandas", "matplotlib", "mlflow", "dvc")
_FLAGS = ("avx2", "fma", "avx512f", "amx_tile")
_GIB = 2**30
_NEEDED_DISK = 3 * _GIB
"""Bytes that a full run leaves in the workspace and in DVC's cache, rounded up."""


def examine() -> None:
    """Print what matters here, and train small networks with known results.

    In a project on other images than the report's, the sizes of its own operations are tried too.
    Raises ConfigError for an x86-64 processor without AVX2 or FMA, VerificationError if it makes
    other bits or if there is too little space on the disk.
    """
    console = open_console()
    console.print(_facts())
    processor.check_processor()
    if not processor.is_x86():
        console.print(
            "Not comparable: the committed bits are those of x86-64 processors. Results are "
            "repeatable here; fashionbench verify compares their scores."
        )
    else:
        differing = self_test.differing()
        _print_operations(console)
        if differing:
            raise VerificationError(
                f"this machine does not make the committed bits ({', '.join(differing)}): "
                f"{diagnosis()}"
            )
        console.print("This machine makes the committed bits.", style="bold")
        _examine_own_sizes(console)
    free = shutil.disk_usage(Path()).free
    if free < _NEEDED_DISK:
        raise VerificationError(
            f"{Path().resolve()} has {free / _GIB:.1f} GiB free, and a full run needs "
            f"{_NEEDED_DISK / _GIB:.0f}; free some, or move DVC's cache (dvc cache dir)"
        )


def _examine_own_sizes(console: Console) -> None:
    """Name the sizes that the project's data set and networks have besides the report's.

    Raises VerificationError for one without a kernel that gives the defined bits.
    """
    params = load_params() if PARAMS_FILE.is_file() else None
    if params is None or params.dataset.shape == self_test.SHAPE:
        return
    known = set(kernels.choices)
    self_test.meet_sizes(params)
    own = {name: agrees for name, agrees in kernels.choices.items() if name not in known}
    rows = [
        (name, ", ".join(kernel for kernel in agrees if agrees[kernel]) or "none")
        for name, agrees in own.items()
    ]
    title = f"Besides these, the sizes of {params.dataset.title}"
    print_table(
        console, ("Operation", "Kernels with the defined bits"), rows, title=title, justify="left"
    )
    if failing := [name for name, agrees in own.items() if not any(agrees.values())]:
        raise VerificationError(
            f"this machine does not make the defined bits on {params.dataset.title}: {failing[0]}"
            f"{_departure(failing[0])}"
        )


def diagnosis() -> str:
    """Return in one line what decides about bits here, after :func:`self_test.differing`."""
    failing = [name for name, agrees in kernels.choices.items() if not any(agrees.values())]
    operation = (
        f"the first operation that differs is the {failing[0]}{_departure(failing[0])}"
        if failing
        else ("every product and convolution is as defined, so one of ATen's operations differs")
    )
    flags = " ".join(flag for flag in _FLAGS if flag in processor.flags())
    return (
        f"{operation}; {processor.name()} ({flags}), torch {version('torch')} with code for "
        f"{torch.backends.cpu.get_cpu_capability()}, {_libraries()}"
    )


def _departure(name: str) -> str:
    """Say where the order of a product's sums departs from the definition, by kernel."""
    size = re.fullmatch(r"product (\d+)x(\d+) by \d+x(\d+)", name)
    if not size:
        return ""
    multiply = {"MKL": kernels._multiply_by_mkl, "oneDNN": kernels._multiply_by_onednn}
    m, k, n = map(int, size.groups())
    found = []
    for kernel in multiply.keys() & kernels.choices[name].keys():
        term = first_departure(multiply[kernel], m, k, n)
        found.append(f"{kernel}'s at term {term}" if term else f"{kernel}'s nowhere, but it rounds")
    return f" (order of sums departs: {', '.join(sorted(found))})"


def first_departure(multiply: kernels.Kernel, m: int, k: int, n: int) -> int | None:
    """Return the first term j of the k whose place in the sum is not the defined one, if any.

    For each j a row has 2^60 as its first term, its negative as term j and ones elsewhere. Ones
    vanish beside them, and are counted once both have met; so the sum is the number of terms that
    are added after the subtree which holds both (Xie, Gao and Xue, FPRev, arXiv:2411.00442).
    """
    ends = [min(k, (j // kernels.CHUNK + 1) * kernels.CHUNK) for j in range(1, k)]
    defined = [k - (j + 1 if j < kernels.CHUNK else end) for j, end in enumerate(ends, start=1)]
    rows = torch.ones(k - 1, k)
    rows[:, 0] = 2.0**60
    rows.diagonal(1).fill_(-(2.0**60))
    # In parts of m rows, as the kernel that failed had.
    second = torch.ones(k, n)
    for begin in range(0, k - 1, m):
        part = torch.ones(m, k)
        some = rows[begin : begin + m]
        part[: len(some)] = some
        out = kernels.empty_product(m, second)
        multiply(part.split(kernels.CHUNK, 1), second.split(kernels.CHUNK), out)
        expected = torch.tensor(defined[begin : begin + m], dtype=torch.float32)
        if (wrong := (out[: len(some)] != expected[:, None]).any(1)).any():
            return begin + 1 + int(wrong.int().argmax())
    return None


def _facts() -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    rows = {
        "processor": f"{processor.name()}, {available_cores()} cores to use",
        "features": " ".join(flag for flag in _FLAGS if flag in processor.flags()) or "unknown",
        "torch runs code for": torch.backends.cpu.get_cpu_capability(),
        "libraries": _libraries(),
        "packages": ", ".join(f"{package} {version(package)}" for package in _PACKAGES),
        "memory": f"{available_memory() / _GIB:.1f} GiB",
        "free disk": f"{shutil.disk_usage(Path()).free / _GIB:.1f} GiB",
        "CUDA": torch.cuda.get_device_name() if torch.cuda.is_available() else "no device",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _print_operations(console: Console) -> None:
    """Count by operation the sizes for which each kernel gives the defined bits."""
    rows = []
    by_operation: dict[str, list[dict[str, bool]]] = {}
    for name, agrees in kernels.choices.items():
        operation = re.split(r" \d", name)[0]
        by_operation.setdefault(operation, []).append(agrees)
    for operation, sizes in by_operation.items():
        tried = Counter(kernel for agrees in sizes for kernel in agrees)
        right = Counter(kernel for agrees in sizes for kernel in agrees if agrees[kernel])
        counts = ", ".join(f"{kernel} {right[kernel]} of {tried[kernel]}" for kernel in tried)
        rows.append((operation, counts))
    title = "Sizes with the defined bits, by kernel"
    print_table(console, ("Operation", "Kernels"), rows, title=title, justify="left")


def _libraries() -> str:
    return ", ".join(f"{name} {number}" for name, number in numeric_libraries().items())
