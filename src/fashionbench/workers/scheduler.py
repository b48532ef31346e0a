"""The Dask scheduler that a stage or a worker connects to, and its errors, each in one line.

Dask retries, waits and fails in its own ways: it never gives up on a port where another program
listens. Here whatever keeps it from a scheduler is one line within half a minute.
"""

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Thread, Timer
from typing import Any

from fashionbench.errors import WorkerError
from fashionbench.messages import in_one_line

SCHEDULER_VARIABLE = "DASK_SCHEDULER_ADDRESS"
"""Dask's own variable for the address of its scheduler."""
PATIENCE_S = 16.0
"""How long a scheduler is waited for; Dask's own setting counts instead if it has been changed."""
_SIGN_S = 5.0
"""Seconds after which the wait is announced."""
_ANSWER_S = 4.0
"""Seconds in which whoever has accepted a connection has to answer as a scheduler does."""
_COMM = "distributed.comm"
"""Where Dask's settings of connections begin."""
_TIMEOUT = f"{_COMM}.timeouts.connect"
_OTHER_PROGRAM = (
    "whatever listens there does not speak as a scheduler; its dashboard has another port"
)
_NOT_READ = "Error during deserialization of the task graph"
"""What Dask's client says if its scheduler cannot import what a task calls."""
_OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate")
"""What torch, its allocators and CUDA say when memory runs out, in lower case."""
_REPEAT = "then run dvc repro again, it goes on after the last finished epochs"

_log = logging.getLogger(__name__)


def scheduler_address() -> str:
    """Return the address of the Dask scheduler whose workers are to train; empty without one."""
    return os.environ.get(SCHEDULER_VARIABLE, "").strip()


def reach(address: str, role: str = "client", **tls: str | None) -> None:
    """Wait for the scheduler at an address, and check that it is one.

    ``role`` is "client" or "worker", whose certificates Dask's settings name; ``tls`` are arguments
    of :class:`distributed.Security` that replace them. Raises WorkerError, which says what to
    correct, and ModuleNotFoundError without Dask.
    """
    with told_in_one_line(address):
        import dask.config
        from dask.utils import parse_timedelta
        from distributed import Security
        from distributed.comm import parse_address, parse_host_port
        from distributed.comm.registry import get_backend
        from distributed.config import defaults

        configured = dask.config.get(_TIMEOUT)
        is_ours = configured == defaults["distributed"]["comm"]["timeouts"]["connect"]
        timeout = PATIENCE_S if is_ours else parse_timedelta(configured, default="s")
        if timeout is None or timeout <= 0:
            raise ValueError(f"{_TIMEOUT} = {configured} is not a time")
        # Read here, since Dask reads them when a result comes back.
        int(dask.config.get(f"{_COMM}.retry.count"))
        for end in ("min", "max"):
            parse_timedelta(dask.config.get(f"{_COMM}.retry.delay.{end}"), default="s")
        security = Security(**{name: path for name, path in tls.items() if path})
        # Checked here, since Dask would retry with a wrong address until the time is over.
        scheme, location = parse_address(address)
        get_backend(scheme)
        host, port = parse_host_port(location)
        if not 0 < port < 65536:
            raise ValueError("ports are 1 to 65535")
        for name, value in security.get_tls_config_for_role(role).items():
            # A setting may also hold the certificate itself.
            is_text = name == "ciphers" or not value or "\n" in value
            if not is_text and not Path(value).is_file():
                raise ValueError(f"{name} = {value} is not a file")
            content = value if is_text else Path(value).read_text(errors="replace")
            if name == "key" and content and "ENCRYPTED" in content:
                raise ValueError("the key has a pass phrase, which Dask cannot ask for")
        # Dask prints the traceback of what it cannot read.
        logging.getLogger("distributed.protocol.core").setLevel(logging.CRITICAL + 1)
        _resolve(host, timeout)
        asyncio.run(_ask(address, timeout, security.get_connection_args(role)))


@contextmanager
def told_in_one_line(address: str) -> Iterator[None]:
    """Connect to a scheduler in this block; say so if it takes long.

    Raises WorkerError instead of whatever else goes wrong, but ModuleNotFoundError as it is.
    """
    timer = Timer(_SIGN_S, _log.warning, [f"still waiting for the Dask scheduler at {address}"])
    timer.daemon = True
    timer.start()
    is_set = address == scheduler_address()
    try:
        yield
    except ModuleNotFoundError:
        raise
    except Exception as error:
        named = f"{SCHEDULER_VARIABLE} = {address}" if is_set else repr(address)
        raise WorkerError(
            f"{named}: no Dask scheduler answers ({reason_of(error)}); start one with dask "
            "scheduler, or correct the address (tcp://HOST:8786, or tls:// if it encrypts) or "
            f"Dask's settings ({_settings()})"
            + (", or unset the variable to train on this machine" if is_set else "")
        ) from error
    finally:
        timer.cancel()


def reason_of(error: BaseException) -> str:
    """Return in one line the first cause of an error that says something."""
    reason = type(error).__name__
    cause: BaseException | None = error
    while cause:
        reason = in_one_line(str(cause)) or reason
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return reason


def _settings() -> str:
    """Return where Dask's settings are: variables that are set, or files."""
    names = {name for name in os.environ if name.startswith("DASK_")} - {SCHEDULER_VARIABLE}
    return ", ".join([*sorted(names), "the files in ~/.config/dask"])


def _resolve(host: str, timeout: float) -> None:
    """Raise OSError if a name is not resolved in time; the system's own patience is longer."""
    ended: Queue[bool] = Queue()

    def look_up() -> None:
        with suppress(OSError):  # Which Dask will tell.
            socket.getaddrinfo(host, None)
        ended.put(True)

    Thread(target=look_up, daemon=True).start()
    try:
        ended.get(timeout=timeout)
    except Empty:
        raise OSError(f"the name {host} was not resolved in {timeout:g} seconds") from None


async def _ask(address: str, timeout: float, arguments: dict[str, Any]) -> None:
    """Ask a scheduler who it is. Raises OSError, also for something else."""
    from distributed.core import connect, send_recv

    async def ask() -> Any:
        comm = await connect(address, timeout=timeout, **arguments)
        try:
            return await send_recv(comm, op="identity")
        finally:
            comm.abort()

    try:
        answer = await asyncio.wait_for(ask(), timeout + _ANSWER_S)
    except TimeoutError as error:
        raise OSError(_OTHER_PROGRAM) from error
    except ValueError as error:  # tornado's, if the other side speaks before it is asked.
        if "SSL" in str(error):
            raise OSError("it does not encrypt") from None
        raise
    except Exception as error:
        # What another program says is taken for the lengths of messages.
        if isinstance(error.__cause__ or error, MemoryError | struct.error | LookupError):
            raise OSError(_OTHER_PROGRAM) from None
        raise
    kind = answer.get("type") if isinstance(answer, dict) else None
    if kind != "Scheduler":
        raise OSError(f"a {kind or 'program of another kind'} is there instead")


def explain(error: BaseException | None, task: str, address: str) -> Exception:
    """Describe why a task has no result; ``error`` is None if Dask has dropped it.

    Errors of the code itself are returned as they are.
    """
    from distributed.scheduler import KilledWorker

    if error is None:
        return WorkerError(
            f"{task}: the Dask scheduler at {address} has gone; start it and its workers, {_REPEAT}"
        )
    if isinstance(error, KilledWorker):
        return WorkerError(
            f"{task}: {error.allowed_failures + 1} workers died of it, the last at "
            f"{error.last_worker.address}, as when memory runs out; let fewer run on a machine or "
            f"give each more (--memory-limit), {_REPEAT}"
        )
    if _NOT_READ in str(error):
        return WorkerError(
            f"{task}: the Dask scheduler at {address} cannot read it; start it with the packages "
            f"and the code of the workers, {_REPEAT}"
        )
    if shortage := shortage_of(error):
        return WorkerError(f"{task}: on a worker {shortage}; let fewer run on a machine, {_REPEAT}")
    if isinstance(error, Exception) and not type(error).__module__.startswith("distributed"):
        return error
    return WorkerError(f"{task}: {in_one_line(str(error))}; {_REPEAT}")


def shortage_of(error: BaseException) -> str:
    """Say that memory ran out if an error means that, a processor's or a GPU's; else return "".

    torch raises RuntimeError with one of a few texts, and a subclass of a name of its own for CUDA.
    Other errors speak of memory too, such as CUDA's "illegal memory access".
    """
    text = " ".join(str(error).split())
    is_out = (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or any(sign in text.lower() for sign in _OUT_OF_MEMORY)
    )
    return f"no memory is left ({text[:120]})" if is_out else ""
