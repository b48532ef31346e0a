"""Downloads over HTTP that end: with the whole file, or with the reason why not."""

import logging
import time
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.request import build_opener

from fashionbench.errors import DataError

TIMEOUT_S = 30.0
"""How long a server may be silent."""
LONGEST_S = 900.0
"""How long one file may take, however steadily it trickles."""

_CHUNK_BYTES = 1 << 18
_MEGABYTE = 1_000_000
_REPORTS = 4
"""How often the progress of a file is told."""

_log = logging.getLogger(__name__)


def download(address: str, target: Path) -> None:
    """Save what is at an address, and tell the progress of anything longer than a megabyte.

    Proxies are those of the environment (``https_proxy`` and so on). Raises DataError if the server
    is away, refuses, is silent for TIMEOUT_S or needs more than LONGEST_S.
    """
    try:
        # Not urlopen, which keeps to the proxies of its first call in a process.
        with build_opener().open(address, timeout=TIMEOUT_S) as answer:
            _save(answer, target)
    except TimeoutError as error:
        raise DataError(f"{address} was silent for {TIMEOUT_S:.0f} s") from error
    except (OSError, HTTPException, ValueError) as error:
        raise DataError(f"{address}: {error}") from error


def _save(answer: HTTPResponse, target: Path) -> None:
    size, end = int(answer.headers.get("Content-Length") or 0), time.monotonic() + LONGEST_S
    received, told = 0, 0
    with target.open("wb") as file:
        while chunk := answer.read1(_CHUNK_BYTES):
            file.write(chunk)
            received += len(chunk)
            if time.monotonic() > end:
                raise DataError(f"{answer.url} takes more than {LONGEST_S:.0f} s")
            if size > _MEGABYTE and received * _REPORTS // size > told:
                told = received * _REPORTS // size
                _log.info(f"{target.name}: {received / _MEGABYTE:.0f} of {size / _MEGABYTE:.0f} MB")
    if received < size:
        raise DataError(f"{answer.url} broke off after {received} of {size} bytes")
