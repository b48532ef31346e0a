"""The command ``fashionbench worker``: Dask's own worker, in an environment that makes our bits."""

import argparse
import importlib.util
import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from fashionbench.workers.scheduler import reach, reason_of

_PRELOAD = "fashionbench.workers.preload"
_TRIM_THRESHOLD = 1073741824
"""Bytes of freed memory that a worker keeps."""
MALLOC = (
    "glibc.malloc.hugetlb=1"
    ":glibc.malloc.mmap_threshold=33554432"  # Bytes; the most that glibc takes.
    f":glibc.malloc.trim_threshold={_TRIM_THRESHOLD}"
)
"""Settings of glibc's malloc for workers, the variable GLIBC_TUNABLES: keep freed memory for the
next step, in huge pages where the system has them. Without them n8_conv takes five percent longer.
"""
_ENVIRONMENT = {
    # Read when a process starts. Dask's nanny sets the second one to 64 KiB unless it is set.
    "GLIBC_TUNABLES": MALLOC,
    "MALLOC_TRIM_THRESHOLD_": str(_TRIM_THRESHOLD),
    # Dask's profiler stops the task a hundred times a second.
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
}
"""Variables to set unless the user has."""


def become_worker(scheduler: str, options: Sequence[str]) -> NoReturn:
    """Replace this process by ``dask worker``, with one thread; ``options`` are further ones.

    The process is expected to have its arithmetic pinned. Raises ModuleNotFoundError without Dask,
    and WorkerError if there is no scheduler.
    """
    if importlib.util.find_spec("distributed") is None:
        raise ModuleNotFoundError("Dask is not installed", name="distributed")
    reach(scheduler, "worker", **_certificates(options))
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    defaults = ("--nthreads", "1", "--preload", _PRELOAD)
    os.execv(sys.executable, [sys.executable, "-m", __name__, scheduler, *defaults, *options])


def _certificates(options: Sequence[str]) -> dict[str, str | None]:
    """Return the files that options of ``dask worker`` name, as arguments of Dask's Security."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--tls-ca-file")
    parser.add_argument("--tls-cert", dest="tls_worker_cert")
    parser.add_argument("--tls-key", dest="tls_worker_key")
    return vars(parser.parse_known_args(options)[0])


def _work() -> int:
    """Run ``dask worker`` with the arguments of this process; an error of its start is one line."""
    import click
    from distributed.cli.dask_worker import main

    for handler in logging.getLogger("distributed").handlers:
        handler.addFilter(_without_traceback)
    try:
        main(prog_name="fashionbench worker", standalone_mode=False)
    except click.ClickException as error:
        reason, status = error.format_message(), error.exit_code
    except Exception as error:  # noqa: BLE001 - whatever it is, its reader is a user.
        reason, status = reason_of(error), 1
    else:
        return 0
    sys.stderr.write(f"fashionbench: error: {reason}; see fashionbench worker ADDRESS --help\n")
    return status


def _without_traceback(record: logging.LogRecord) -> bool:
    """Let a record be printed in one line: the same error is raised as well."""
    record.exc_info = record.exc_text = None
    return True


if __name__ == "__main__":
    sys.exit(_work())
