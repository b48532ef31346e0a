"""Worker processes: what they inherit, and what is reported when one dies or has no memory."""

import os
import signal
import sys
import threading
from concurrent.futures import Executor

import psutil
import pytest

from fashionbench.errors import WorkerError
from fashionbench.params import Params
from fashionbench.training.costs import count_parameters
from fashionbench.training.memory_check import needed_memory
from fashionbench.workers.local import local_workers
from fashionbench.workers.memory import is_out_of_memory


def allocate(task: str) -> int:
    import torch

    return torch.empty(int(task.split()[1]), dtype=torch.uint8).numel()


def kill_itself(task: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave(task: str) -> None:
    os._exit(7)


def server_of(task: str) -> tuple[int, bool, str]:
    """Return the process a worker was forked from, whether torch was there, and its malloc."""
    return os.getppid(), "torch" in sys.modules, os.environ["GLIBC_TUNABLES"]


def test_workers_are_forked_from_a_server_with_torch_and_without_threads() -> None:
    with local_workers(1) as workers:
        server, has_torch, _ = workers.submit(server_of, "look").result()
        assert has_torch
        assert server != os.getpid()
        assert psutil.Process(server).num_threads() == 1
    assert not psutil.pid_exists(server)


def test_pools_one_after_the_other_have_servers_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.check=0")
    with local_workers(1, "json") as workers:
        first = workers.submit(server_of, "look").result()
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.perturb=0")
    with local_workers(1, "json") as workers:
        second = workers.submit(server_of, "look").result()
    assert first[2] == "glibc.malloc.check=0"
    assert second[2] == "glibc.malloc.perturb=0"


def test_pools_at_the_same_time_share_a_server() -> None:
    with local_workers(1, "json") as outer:
        with local_workers(1, "json") as inner:
            server = inner.submit(server_of, "look").result()[0]
        assert outer.submit(server_of, "look").result()[0] == server
    assert not psutil.pid_exists(server)


def fork_server() -> psutil.Process:
    """Return the fork server below this process."""
    (server,) = [
        child
        for child in psutil.Process().children()
        if "multiprocessing.forkserver" in " ".join(child.cmdline())
    ]
    return server


def test_an_interrupt_ends_a_server_that_is_still_importing() -> None:
    workers = local_workers(1)
    workers.__enter__()
    server = fork_server()
    assert workers.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None) is False
    assert not server.is_running()


def test_a_server_that_was_killed_is_named() -> None:
    with (
        local_workers(1) as workers,
        pytest.raises(WorkerError, match="look: the process that starts workers has ended; free"),
    ):
        look_without_server(workers)


def look_without_server(workers: Executor) -> None:
    server = fork_server()
    server.suspend()
    threading.Timer(0.5, server.kill).start()
    workers.submit(server_of, "look")


def test_a_task_that_gets_no_memory_is_named() -> None:
    with (
        pytest.raises(WorkerError, match="allocate 1000000000000000 bytes: no memory is left"),
        local_workers(1) as workers,
    ):
        workers.submit(allocate, "allocate 1000000000000000 bytes").result()


@pytest.mark.usefixtures("all_cores")
def test_a_killed_worker_names_its_task_and_the_likely_reason() -> None:
    with (
        pytest.raises(WorkerError, match="this one: its process was ended by SIGKILL, as"),
        local_workers(2) as workers,
    ):
        workers.submit(kill_itself, "this one").result()


def test_a_worker_that_leaves_names_its_status() -> None:
    with (
        pytest.raises(WorkerError, match="that one: its process ended with status 7; free memory"),
        local_workers(1) as workers,
    ):
        workers.submit(leave, "that one").result()


@pytest.mark.parametrize(
    ("error", "is_out"),
    [
        (MemoryError(), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (RuntimeError("Expected a tensor in channels-last memory format"), False),
    ],
)
def test_not_everything_that_speaks_of_memory_has_run_out_of_it(
    error: Exception, is_out: bool
) -> None:
    assert is_out_of_memory(error) == is_out


def test_memory_is_estimated_from_below(params: Params) -> None:
    network = params.network("n8_conv")
    parameters = count_parameters(network)
    one = needed_memory(network, batch_size=64, seeds=1)
    assert 10 * 4 * parameters < one < 12 * 4 * parameters
