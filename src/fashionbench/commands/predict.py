"""The command ``fashionbench predict``: classifies pictures with a registered model."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from fashionbench.data.splits import CLASSES
from fashionbench.params import load_params
from fashionbench.serving.preprocessing import Picture, read_picture
from fashionbench.tracking.champions import load_champion

_SHOWN = 3
"""The number of classes printed per picture, the likeliest first."""


def predict(files: Sequence[Path], network: str | None) -> None:
    """Print the likeliest classes of each picture, and the conversions applied to it.

    Without ``network`` the model is the best of all networks. Raises DataError for files that are
    not pictures and if MLflow has no such model, ConfigError for an unknown network.
    """
    if network:
        load_params().network(network)
    pictures = [read_picture(file) for file in files]
    model, name = load_champion(network)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"classified by {name}", style="dim")
    answers = model.predict(np.stack([picture.pixels for picture in pictures]))
    for file, picture, probabilities in zip(files, pictures, answers, strict=True):
        likeliest = np.argsort(-probabilities, kind="stable")[:_SHOWN]
        classes = ", ".join(f"{CLASSES[label]} {probabilities[label]:.1%}" for label in likeliest)
        console.print(f"{file}: {classes} {_in_words(picture)}", markup=False)


def _in_words(picture: Picture) -> str:
    return f"({', '.join(picture.changes) or 'used as it is'})"
