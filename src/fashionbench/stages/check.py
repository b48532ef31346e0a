"""Stage ``check``: refuse a params.yaml that cannot be trained, before anything is touched.

DVC takes away a stage's outputs before it runs it. So what is wrong with any network is said by a
first stage that all others wait for, and whose own output never changes.
"""

from pathlib import Path

from fashionbench.data import check_sizes
from fashionbench.params import load_params
from fashionbench.sources import labelled_images

CHECKED_FILE = Path("data/checked")


def run() -> None:
    """Check all of params.yaml, against the data and this machine too; ConfigError."""
    params = load_params()
    check_sizes(params.train_size, params.val_size, labelled_images())
    # Imported here: torch takes a second, and what is wrong is mostly said before.
    from fashionbench import feasibility
    from fashionbench.examples import check_device

    check_device(params.device)
    feasibility.check_memory(params, feasibility.machine_memory())
    CHECKED_FILE.parent.mkdir(parents=True, exist_ok=True)
    CHECKED_FILE.write_text("params.yaml can be trained\n", encoding="ascii")
