"""The processor, and the code that numeric libraries may run on it.

Libraries select their code by what a processor can do, and code for wider vectors adds in another
order. So ATen and numpy are told to run their code for AVX2 everywhere; they read that when they
are loaded. What MKL and oneDNN select is checked (:mod:`fashionbench.portable.arithmetic`).
"""

import os
import platform
from pathlib import Path

from fashionbench.errors import ConfigError

_ATEN = "ATEN_CPU_CAPABILITY"
_PINNED = {
    _ATEN: "avx2",
    # numpy has further code for these.
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    # That of numpy's and scipy's linear algebra.
    "OPENBLAS_CORETYPE": "Haswell",
}
_REMOVED = (
    "DNNL_DEFAULT_FPMATH_MODE",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_ENABLE_INSTRUCTIONS",
    "NPY_ENABLE_CPU_FEATURES",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
)
"""Variables of a user's shell that would slow kernels down or let them round more coarsely."""
_NEEDED = {"avx2", "fma"}


def is_x86() -> bool:
    """Return whether this is a processor on which the committed bits are promised."""
    return platform.machine().lower() in ("x86_64", "amd64")


def pin_arithmetic() -> None:
    """Set the environment of this process and its children; call it before torch is imported."""
    for name in _REMOVED:
        os.environ.pop(name, None)
    if is_x86():
        os.environ.update(_PINNED)


def check_capability(capability: str) -> None:
    """Raise ConfigError unless torch has loaded ATen's code for AVX2.

    ``capability`` is what ``torch.backends.cpu.get_cpu_capability()`` says. Other architectures
    have one code only and are not checked.
    """
    if is_x86() and capability != "AVX2":
        raise ConfigError(
            f"torch runs its code for {capability}, and the committed bits are those of AVX2; "
            f"set {_ATEN}=avx2 before torch is imported"
        )


def configure_torch() -> None:
    """Set up torch in this process, before any task; ConfigError if it has other code loaded.

    One thread gives the same bits on any number of cores, and networks this small gain nothing from
    a second one. Numbers below the smallest normal one, 1.2e-38, count as 0: Adam's moments of
    units that are never active fade into them, and processors compute with them so slowly that
    n3_mlp took twice as long.
    """
    # Imported here: torch takes two seconds, and this file is needed before it.
    import torch

    check_capability(torch.backends.cpu.get_cpu_capability())
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def check_processor() -> None:
    """Raise ConfigError for an x86-64 processor without AVX2 or FMA, where Linux names both."""
    missing = " and ".join(flag.upper() for flag in sorted(_NEEDED - flags()))
    if is_x86() and flags() and missing:
        raise ConfigError(
            f"this processor ({name()}) lacks {missing}: "
            "an x86-64 processor needs AVX2 and FMA (Intel since 2013, AMD since 2015)"
        )


def name() -> str:
    """Return the processor's marketing name where Linux knows it, else what Python knows."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def flags() -> set[str]:
    """Return the processor's features as Linux names them; nothing elsewhere."""
    return set(_cpuinfo("flags").split())


def _cpuinfo(field: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    found = (line.partition(":") for line in lines)
    return next((value.strip() for key, _, value in found if key.strip() == field), "")
