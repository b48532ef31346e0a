"""Worker processes: what they inherit, and what is reported when one dies or has no memory."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from fashionbench.errors import WorkerError
from fashionbench.params import Params
from fashionbench.training.costs import count
from fashionbench.training.memory_check import needed_memory
from fashionbench.workers.local import local_processes
from fashionbench.workers.memory import is_out_of_memory


def allocate(task: str) -> int:
    import torch

    return torch.empty(int(task.split()[1]), dtype=torch.uint8).numel()


def kill_itself(task: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave(task: str) -> None:
    os._exit(7)


def server_of(task: str) -> tuple[int, bool, str, int]:
    """Return the process a worker was forked from, its malloc, and how many cores it may use.

    The second value tells whether torch was there.
    """
    return (
        os.getppid(),
        "torch" in sys.modules,
        os.environ["GLIBC_TUNABLES"],
        len(os.sched_getaffinity(0)),
    )


@pytest.mark.usefixtures("all_cores")
def test_workers_are_forked_from_one_server_with_torch_and_without_threads() -> None:
    with local_processes(1) as workers:
        server, has_torch, malloc, cores = workers.submit(server_of, "look").result()
    assert has_torch
    assert "mmap_threshold" in malloc
    assert server != os.getpid()
    assert psutil.Process(server).num_threads() == 1
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        with local_processes(1) as workers:
            found, *_, narrowed = workers.submit(server_of, "look").result()
    finally:
        os.sched_setaffinity(0, before)
    assert (found, cores, narrowed) == (server, len(before), 1)


IMPORTING = """
from fashionbench.workers import local
from multiprocessing import forkserver
with local.local_processes(1):
    print(forkserver._forkserver._forkserver_pid)
    {end}
"""


@pytest.mark.parametrize("end", ["", "raise KeyboardInterrupt"])
def test_the_server_ends_with_its_process_also_while_it_imports(end: str) -> None:
    code = IMPORTING.format(end=end)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert bool(done.returncode) == bool(end)
    assert not psutil.pid_exists(int(done.stdout))


@pytest.mark.parametrize("length", [65, 100, 200])
def test_a_long_folder_for_temporary_files_is_none_for_sockets(length: int, tmp_path: Path) -> None:
    folder = tmp_path / ("0" * max(1, length - len(str(tmp_path)) - 1))
    folder.mkdir()
    code = (
        "from fashionbench.workers.local import local_processes\n"
        "with local_processes(1, 'json') as workers: print(workers.submit(len, 'four').result())\n"
        "import tempfile; print(tempfile.gettempdir())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["4", str(folder)]
    assert list(folder.iterdir()) == []


def fork_server() -> psutil.Process:
    """Return the fork server below this process."""
    (server,) = [
        child
        for child in psutil.Process().children()
        if "multiprocessing.forkserver" in " ".join(child.cmdline())
    ]
    return server


def test_a_server_that_was_killed_is_named() -> None:
    with (
        local_processes(1) as workers,
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
        local_processes(1) as workers,
    ):
        workers.submit(allocate, "allocate 1000000000000000 bytes").result()


@pytest.mark.usefixtures("all_cores")
def test_a_killed_worker_names_its_task_and_the_likely_reason() -> None:
    with (
        pytest.raises(WorkerError, match="this one: its process was ended by SIGKILL, as"),
        local_processes(2) as workers,
    ):
        workers.submit(kill_itself, "this one").result()


def test_a_worker_that_leaves_names_its_status() -> None:
    with (
        pytest.raises(WorkerError, match="that one: its process ended with status 7; free memory"),
        local_processes(1) as workers,
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
    parameters = count(network).parameters
    one = needed_memory(network, batch_size=64, seeds=1)
    assert 10 * 4 * parameters < one < 12 * 4 * parameters


def test_what_pooling_leaves_out_needs_no_memory(params: Params) -> None:
    whole = replace(params.network("n8_conv"), conv_filters=(8, 8, 8), hidden_sizes=())
    pooled = replace(whole, pool=True)
    # The images, what ReLU and pooling return, the places that pooling took it from, the logits.
    kept = 784 + 8 * (784 + 196 + 49) + 2 * 8 * (196 + 49 + 9) + 10
    parameters = 80 + 2 * (9 * 8 + 1) * 8 + (8 * 9 + 1) * 10
    assert count(pooled).parameters == parameters
    assert needed_memory(pooled, batch_size=64, seeds=1) == 4 * (10 * parameters + 64 * kept)
    assert needed_memory(whole, batch_size=64, seeds=1) == 4 * (
        10 * count(whole).parameters + 64 * (784 + 3 * 8 * 784 + 10)
    )
