"""Folders and file names of the project. Imports only the standard library.

Commands run at the top of the project or in the folder of a study, ``studies/<name>``, which has
results of its own and trains on the project's images, or on data sets that it prepares itself.
"""

import os
from pathlib import Path

CHECKPOINTS_DIR = Path("checkpoints")
METRICS_DIR = Path("metrics")
MODELS_DIR = Path("models")
CHAMPIONS_DIR = Path("data/champions")
STUDIES_DIR = Path("studies")
PREPARED_DIR = Path("data/prepared")
NETWORKS_DIR = Path("data/networks")
OWN_NETWORKS_DIR = Path("networks")
"""Modules of the user's own."""
PREDICTIONS_DIR = Path("data/predictions")
HIGHLIGHTS_DIR = Path("data/highlights")
SPLITS = ("train", "val", "test")
SCRATCH_DIR = Path(".dvc/tmp/fashionbench")
"""Inside the repository, beside DVC's own temporary files; not in git."""


def study() -> str | None:
    """Return the name of the study whose folder is the current one; None at the top."""
    here = Path.cwd()
    return here.name if here.parent.name == STUDIES_DIR.name else None


def study_folder() -> Path:
    """Return the path from the top of the project to the current folder: empty, or to a study."""
    name = study()
    return STUDIES_DIR / name if name else Path()


def project_folder() -> Path:
    """Return the path from the current folder to the top of the project, or of DVC's copy of it."""
    return Path("../..") if study() else Path()


def repository_folder() -> Path:
    """Return the top of the repository: also for a stage that DVC runs in a copy of it."""
    return Path(os.environ.get("DVC_ROOT", project_folder())).resolve()


def in_workspace() -> bool:
    """Return False in an experiment that DVC runs in a copy of the repository, else True."""
    return project_folder().resolve() == repository_folder()


def describe_not_copied(file: Path | str) -> str:
    """Say why a file of the repository is not in such a copy, and what helps."""
    return (
        f"{file} is not in this copy of the project: DVC copies only files that git knows; "
        f"git add {file} and run the experiment again"
    )


def checkpoints_folder() -> Path:
    """Return the folder of checkpoints: never in a copy, which DVC may delete between starts."""
    return repository_folder() / CHECKPOINTS_DIR


def split_file(split: str, images: str = "") -> Path:
    """Return the file of the prepared images of one of SPLITS.

    They are the project's, or those ``images`` that a study has prepared for itself.
    """
    if images:
        # A folder for each split: only evaluation may depend on test images.
        return PREPARED_DIR / split / f"{images}.safetensors"
    return project_folder() / PREPARED_DIR / f"{split}.safetensors"


def network_file(network: str) -> Path:
    """Return the file of what a network's stages depend on besides its lines in params.yaml."""
    return NETWORKS_DIR / f"{network}.json"


def weights_file(network: str, seed: int) -> Path:
    """Return the file of the weights of one replicate (safetensors)."""
    return MODELS_DIR / network / f"seed_{seed}.safetensors"


def champion_file(network: str) -> Path:
    """Return the file of the weights of a network's best replicate, which git keeps for clones."""
    return CHAMPIONS_DIR / f"{network}.safetensors"


def predictions_file(network: str) -> Path:
    """Return the file of predicted classes and labels of validation and test images."""
    return PREDICTIONS_DIR / f"{network}.json"


def highlights_file(network: str) -> Path:
    """Return the file of a network's strongest filters and worst errors."""
    return HIGHLIGHTS_DIR / f"{network}.json"


def network_table(network: str, table: str) -> Path:
    """Return the file of a network's table ``curves``, ``scores``, ``confusion`` or ``weights``."""
    return METRICS_DIR / "networks" / network / f"{table}.csv"


def make_folders(network: str) -> None:
    """Make a network's folders before training, so that one that is forbidden fails early.

    Raises OSError.
    """
    for path in (weights_file(network, 0), network_table(network, "curves")):
        make_folder(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, also where a link points to a place that is gone.

    Cleaning up a scratch disk deletes what links on other disks point to. Raises OSError.
    """
    os.makedirs(os.path.realpath(path), exist_ok=True)
