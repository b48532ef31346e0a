"""Processes that compute: what is said of those that die or run out of memory."""

import os
import signal
from pathlib import Path

import psutil
import pytest

from fashionbench.errors import WorkerError
from fashionbench.params import Params
from fashionbench.training import memory_check
from fashionbench.training.memory_check import machine_memory, needed_memory
from fashionbench.training.networks import count_parameters
from fashionbench.training.workers import local_workers


def allocate(task: str) -> int:
    import torch

    return torch.empty(int(task.split()[1]), dtype=torch.uint8).numel()


def kill_itself(task: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave(task: str) -> None:
    os._exit(7)


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


def test_memory_is_estimated_from_below(params: Params) -> None:
    network = params.network("n8_conv")
    parameters = count_parameters(network)
    one = needed_memory(network, batch_size=64, seeds=1)
    assert 10 * 4 * parameters < one < 12 * 4 * parameters


def test_the_machine_has_the_memory_that_the_system_says_or_a_container_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = psutil.virtual_memory().total
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory_check, "_CONTAINER_LIMIT", limit)
    assert machine_memory() == installed
    limit.write_text("max\n")
    assert machine_memory() == installed
    limit.write_text(f"{installed - 4096}\n")
    assert machine_memory() == installed - 4096
    limit.write_text(f"{installed + 4096}\n")
    assert machine_memory() == installed
