"""How much memory a train stage needs."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import numpy as np
import psutil
from ruamel.yaml import YAML
from sizes import Sizes
from timing import environment

from fashionbench.data.splits import Split, save_split
from fashionbench.params import PARAMS_FILE, Params
from fashionbench.paths import split_file
from fashionbench.pipeline.dependencies import PIPELINE_FILE
from fashionbench.pipeline.machine import available_cores
from fashionbench.training.costs import count_parameters


def peak_memory(params: Params, sizes: Sizes) -> Iterator[tuple[str, str]]:
    """Megabytes that the processes of the largest network's train stage hold, as rows of a table.

    The stage runs for one epoch, on as many random images as params.yaml says, or as ``sizes``
    allow.
    """
    workers = available_cores()
    largest = max(params.networks, key=lambda name: count_parameters(params.network(name)))
    with tempfile.TemporaryDirectory() as folder:
        for name, wanted in (("train", params.train_size), ("val", params.val_size)):
            size = min(wanted, sizes.memory_images)
            generator = np.random.default_rng(0)
            images = generator.integers(0, 256, (size, 28, 28), dtype=np.uint8)
            labels = generator.integers(0, params.num_classes, size, dtype=np.uint8)
            save_split(Split(images, labels), Path(folder) / split_file(name))
        yaml = YAML()
        content = yaml.load(PARAMS_FILE)
        content.update(num_epochs=1, seeds=list(range(workers)))
        yaml.dump(content, Path(folder) / PARAMS_FILE)
        shutil.copy(PIPELINE_FILE, folder)
        command = [sys.executable, "-m", "fashionbench", "train", largest]
        with subprocess.Popen(
            command, cwd=folder, env=environment(), stdout=subprocess.DEVNULL
        ) as stage:
            own, of_worker = _peak_memory(stage)
    if stage.returncode:
        raise subprocess.CalledProcessError(stage.returncode, command)
    yield f"memory of {largest}, the stage's own process", f"{own / 1e6:.0f} MB"
    yield f"memory of {largest}, the largest of {workers} workers", f"{of_worker / 1e6:.0f} MB"


def _peak_memory(stage: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Bytes that only the process itself holds, and the largest of its children."""
    own, of_child = 0, 0
    process = psutil.Process(stage.pid)
    while stage.poll() is None:
        try:
            own = max(own, process.memory_full_info().uss)
            for child in process.children():
                of_child = max(of_child, child.memory_full_info().uss)
        except psutil.NoSuchProcess:
            pass  # It ended between being listed and being asked.
        sleep(0.2)
    return own, of_child
