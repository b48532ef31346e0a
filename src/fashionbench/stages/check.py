"""Stage ``check``: refuse a params.yaml that cannot be trained, before any output is touched.

DVC deletes a stage's outputs before it runs the stage. So errors are found by a first stage that
all others wait for; its own output is always the same.
"""

import logging
from collections.abc import Set
from pathlib import Path

from fashionbench.data.sources import labelled_images
from fashionbench.data.splits import check_sizes
from fashionbench.params import Device, load_params
from fashionbench.pipeline import processor
from fashionbench.pipeline.machine import available_memory
from fashionbench.training.memory_check import check_memory
from fashionbench.whole_files import replace_file

CHECKED_FILE = Path("data/checked")

_log = logging.getLogger(__name__)


def run() -> None:
    """Check params.yaml, also against the data and this machine. Raises ConfigError."""
    params = load_params()
    check_sizes(params.train_size, params.val_size, labelled_images())
    processor.check_processor()
    if not processor.is_x86():
        _log.warning(
            "results are repeatable on this processor, but their bits differ from the committed "
            "ones, which are those of x86-64 processors"
        )
    _check_devices({params.of(name).device for name in params.networks})
    check_memory(params, available_memory())
    replace_file(CHECKED_FILE, b"params.yaml can be trained\n")


def _check_devices(devices: Set[Device]) -> None:
    if devices != {"cpu"}:
        # Imported here: torch takes two seconds.
        from fashionbench.data.examples import check_device

        for device in devices:
            check_device(device)
