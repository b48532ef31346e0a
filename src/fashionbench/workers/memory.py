"""Memory of the processes that train: how it is kept, and how an error says that it ran out."""

TRIM_THRESHOLD = 1073741824
"""Bytes of freed memory that a worker keeps."""

MALLOC = (
    "glibc.malloc.hugetlb=1"
    ":glibc.malloc.mmap_threshold=33554432"  # Bytes; the most that glibc takes.
    f":glibc.malloc.trim_threshold={TRIM_THRESHOLD}"
)
"""Settings of glibc's malloc for workers, the variable GLIBC_TUNABLES: keep freed memory for the
next step, in huge pages where the system has them. Without them n8_conv takes five percent longer.
"""

_OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate")
"""What torch, its allocators and CUDA say when memory runs out, in lower case."""


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory ran out, a processor's or a GPU's.

    torch raises RuntimeError with one of a few texts, and a subclass of a name of its own for CUDA.
    Other errors speak of memory too, such as CUDA's "illegal memory access".
    """
    text = str(error).lower()
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or any(sign in text for sign in _OUT_OF_MEMORY)
    )


def describe_shortage(error: BaseException) -> str:
    """Describe in one line an error that says that memory ran out."""
    return f"no memory is left ({' '.join(str(error).split())[:120]})"
