"""Stage ``check``: refuse a params.yaml that cannot be trained, before any output is touched.

DVC deletes a stage's outputs before it runs the stage. So errors are found by a first stage that
all others wait for; its own output is always the same.
"""

import logging
from pathlib import Path

from fashionbench.data.sources import labelled_images
from fashionbench.data.splits import check_sizes
from fashionbench.params import load_params
from fashionbench.pipeline import processor
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
    # Imported here: torch takes a second, and most errors are found before.
    from fashionbench.data.examples import check_device
    from fashionbench.training import memory_check

    check_device(params.device)
    memory_check.check_memory(params, memory_check.machine_memory())
    replace_file(CHECKED_FILE, b"params.yaml can be trained\n")
