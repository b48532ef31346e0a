"""The processes that compute: one thread each, as many as there are cores to use."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import torch

from fashionbench.data import load_split
from fashionbench.errors import ConfigError
from fashionbench.networks import Examples, pixels_to_inputs
from fashionbench.params import Device


@contextmanager
def local_workers(tasks: int) -> Iterator[Executor]:
    """A pool of processes on this machine, no more of them than ``tasks``.

    They end with the block; at once if it ends in an error, since a task that runs cannot be
    cancelled and nobody will want its result.
    """
    pool = ProcessPoolExecutor(
        max_workers=min(tasks, available_cores()),
        # A fork would inherit torch's threads in an unknown state.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
    )
    try:
        yield pool
    except BaseException:
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    # Ctrl-C reaches every process of the terminal; the stage's own process decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would otherwise wait for ever for its next task."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def available_cores() -> int:
    """The cores that this process may run on, which a container or taskset can limit."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def use_one_thread() -> None:
    """Make this process compute with a single thread: what every task does first.

    One thread gives the same bits on any number of cores, and on networks this small a second
    one gains nothing.
    """
    torch.set_num_threads(1)


@lru_cache(maxsize=3)
def load_examples(path: Path, device: Device) -> Examples:
    """A split as float32 inputs and int64 labels, kept in the worker for its next task."""
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device = 'cuda': there is no CUDA device here; use cpu")
    split = load_split(path)
    labels = torch.from_numpy(split.labels).to(device).long()
    return Examples(pixels_to_inputs(split.images, device), labels)
