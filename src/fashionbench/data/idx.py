"""Read and write IDX files of bytes, the format of the MNIST family and of data/raw.

Format: http://yann.lecun.com/exdb/mnist, 'The IDX file format'.
"""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fashionbench.errors import DataError
from fashionbench.files import replace_file

_UNSIGNED_BYTE = 0x08


def read_idx(path: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    """Return the array of an IDX file, uint8 with so many dimensions; DataError for another."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    header = 4 + 4 * dimensions
    if content[:4] != bytes([0, 0, _UNSIGNED_BYTE, dimensions]) or len(content) < header:
        raise DataError(f"{path} is not an IDX file of bytes with {dimensions} sizes in its header")
    shape = tuple(int(size) for size in np.frombuffer(content[4:header], dtype=">u4"))
    if len(content) - header != math.prod(shape):
        raise DataError(
            f"{path} holds {len(content) - header} values, its header says {shape}; "
            "delete it and run the download stage again"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)


def write_idx(path: Path, array: npt.NDArray[np.uint8]) -> None:
    """Write an array of any shape. Raises OSError."""
    magic = bytes([0, 0, _UNSIGNED_BYTE, array.ndim])
    sizes = np.array(array.shape, ">u4").tobytes()
    replace_file(path, magic + sizes + array.tobytes())
