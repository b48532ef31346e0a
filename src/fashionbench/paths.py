"""Where files lie: folders and file names. Imports nothing but Python's own."""

import os
from pathlib import Path

CHECKPOINTS_DIR = Path("checkpoints")
METRICS_DIR = Path("metrics")
MODELS_DIR = Path("models")
PREPARED_DIR = Path("data/prepared")
PREDICTIONS_DIR = Path("data/predictions")
HIGHLIGHTS_DIR = Path("data/highlights")
SPLITS = ("train", "val", "test")
SCRATCH_DIR = Path(".dvc/tmp/fashionbench")
"""Below the top of the repository, beside DVC's own temporary files; not in git."""


def repository_folder() -> Path:
    """Return the top of the repository, which DVC names also to stages that it runs in a copy."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


def in_workspace() -> bool:
    """Tell whether this is no experiment that DVC runs in a copy of the repository."""
    return Path.cwd() == repository_folder()


def checkpoints_folder() -> Path:
    """Where trainings go on from: outside of copies, which may be gone when DVC starts again."""
    return repository_folder() / CHECKPOINTS_DIR


def split_file(split: str) -> Path:
    """The prepared images of one of SPLITS."""
    return PREPARED_DIR / f"{split}.safetensors"


def weights_file(network: str, seed: int) -> Path:
    """The weights of one replicate, as safetensors."""
    return MODELS_DIR / network / f"seed_{seed}.safetensors"


def predictions_file(network: str) -> Path:
    """The predicted classes of the test images, as safetensors."""
    return PREDICTIONS_DIR / f"{network}.safetensors"


def highlights_file(network: str) -> Path:
    """Images that show what a network learned and where it errs, as safetensors."""
    return HIGHLIGHTS_DIR / f"{network}.safetensors"


def network_table(network: str, table: str) -> Path:
    """A table of one network: ``curves``, ``scores``, ``confusion`` or ``weights``."""
    return METRICS_DIR / "networks" / network / f"{table}.csv"


def make_folders(network: str) -> None:
    """Make a network's folders: one that nobody may write to is better found out before training.

    Raises OSError.
    """
    for path in (weights_file(network, 0), network_table(network, "curves")):
        path.parent.mkdir(parents=True, exist_ok=True)
