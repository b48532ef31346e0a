"""Worker processes: what they inherit, and what is reported when one dies or has no memory."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from repositories import PROJECT

from fashionbench.commands.worker import MALLOC
from fashionbench.errors import WorkerError
from fashionbench.params import Params
from fashionbench.training.costs import count, needed_memory
from fashionbench.workers.local import local_processes
from fashionbench.workers.scheduler import shortage_of


def allocate(task: str) -> int:
    import torch

    return torch.empty(int(task.split()[1]), dtype=torch.uint8).numel()


def kill_itself(task: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave(task: str) -> None:
    os._exit(7)


def look(task: str) -> tuple[int, bool, bool]:
    """Return the parent of a worker, whether torch was there, and whether Ctrl-C ends it."""
    is_ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    return os.getppid(), "torch" in sys.modules, not is_ignored


def test_workers_are_forked_with_torch_from_a_process_without_other_threads() -> None:
    code = (
        "import psutil\n"
        "from fashionbench.stages import evaluate, train\n"
        "from fashionbench.workers.local import local_processes\n"
        "assert psutil.Process().num_threads() == 1\n"
        "import test_workers\n"
        "with local_processes(1) as workers:\n"
        "    print(*workers.submit(test_workers.look, 'x').result())"
    )
    path = os.pathsep.join(map(str, (Path(__file__).parent, *sys.path)))
    done = subprocess.Popen(
        [sys.executable, "-c", code],
        # OpenBLAS ends threads of its own before a fork.
        env=os.environ | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert done.communicate()[0].split() == [str(done.pid), "True", "False"]


def test_a_folder_for_temporary_files_may_have_a_long_name(tmp_path: Path) -> None:
    folder = tmp_path / ("0" * 200)
    folder.mkdir()
    code = (
        "from fashionbench.workers.local import local_processes\n"
        "with local_processes(1) as workers: print(workers.submit(len, 'four').result())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert done.stdout == "4\n"


def test_stages_have_the_malloc_that_workers_of_a_cluster_have() -> None:
    assert MALLOC in (PROJECT / "bin/fashionbench").read_text()


@pytest.mark.usefixtures("all_cores")
@pytest.mark.parametrize(
    ("fail", "task", "says"),
    [
        (allocate, "allocate 1000000000000000 bytes", ": no memory is left"),
        (kill_itself, "this one", ": its process was ended by SIGKILL, as the system does when"),
        (leave, "that one", ": its process ended with status 7; free memory"),
    ],
)
def test_a_worker_that_fails_names_its_task_and_the_likely_reason(
    fail: Callable[[str], object], task: str, says: str
) -> None:
    with pytest.raises(WorkerError, match=f"^{task}{says}"), local_processes(2) as workers:
        workers.submit(fail, task).result()


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
    assert bool(shortage_of(error)) == is_out


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
