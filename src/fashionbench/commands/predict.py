"""The command ``fashionbench predict``: classifies pictures with a registered model."""

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from rich.console import Console

from fashionbench.data.splits import CLASSES
from fashionbench.errors import DataError
from fashionbench.params import load_params
from fashionbench.serving.preprocessing import Picture, read_picture
from fashionbench.tracking.champions import load_champion

Form = Literal["text", "json", "csv"]
_SHOWN = 3
"""The number of classes printed per picture, the likeliest first."""


@dataclass(frozen=True)
class Answer:
    """What is said of one file: the picture and a probability per class, or why there are none."""

    file: str
    picture: Picture | None = None
    probabilities: npt.NDArray[np.float32] | None = None
    error: str | None = None

    @property
    def ranked(self) -> list[tuple[str, float]]:
        """All classes with their probabilities, the likeliest first; empty for a bad file."""
        if self.probabilities is None:
            return []
        order = np.argsort(-self.probabilities, kind="stable")
        return [(CLASSES[label], float(self.probabilities[label])) for label in order]


def predict(
    files: Sequence[Path], network: str | None, form: Form = "text", start: Path | None = None
) -> None:
    """Print the likeliest classes of each picture, and the conversions applied to it.

    Without ``network`` the model is the best of all networks. Relative files are looked up in
    ``start``. All pictures are classified before DataError is raised for those that are not
    pictures; it is raised at once if none is, or if MLflow has no such model. Raises ConfigError
    for an unknown network.
    """
    if network:
        load_params().network(network)
    read = [_read(file, start or Path()) for file in files]
    if not any(answer.picture for answer in read):
        raise DataError("; ".join(str(answer.error) for answer in read))
    model, name = load_champion(network)
    pixels = np.stack([answer.picture.pixels for answer in read if answer.picture])
    rows = iter(np.asarray(model.predict(pixels)))
    answers = [
        Answer(answer.file, answer.picture, next(rows)) if answer.picture else answer
        for answer in read
    ]
    _PRINTERS[form](answers, name)
    bad = [str(answer.error) for answer in answers if answer.error]
    if bad:
        raise DataError(f"{len(bad)} of {len(answers)} files are not classified: {'; '.join(bad)}")


def _read(file: Path, start: Path) -> Answer:
    try:
        return Answer(str(file), read_picture(start / file))
    except DataError as error:
        # As it was typed.
        return Answer(str(file), error=str(error).replace(str(start / file), str(file), 1))


def _print_text(answers: Sequence[Answer], name: str) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"classified by {name}", style="dim")
    for answer in answers:
        if answer.picture:
            likeliest = answer.ranked[:_SHOWN]
            classes = ", ".join(f"{label} {probability:.1%}" for label, probability in likeliest)
            changes = ", ".join(answer.picture.changes) or "used as it is"
            console.print(f"{answer.file}: {classes} ({changes})", markup=False)


def _print_json(answers: Sequence[Answer], name: str) -> None:
    content = [
        {
            "file": answer.file,
            "model": name,
            "class": answer.ranked[0][0] if answer.ranked else None,
            "probabilities": dict(answer.ranked),
            "changes": answer.picture.changes if answer.picture else [],
            "error": answer.error,
        }
        for answer in answers
    ]
    sys.stdout.write(f"{json.dumps(content, indent=2)}\n")


def _print_csv(answers: Sequence[Answer], _: str) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["file", "class", *CLASSES, "changes", "error"])
    for answer in answers:
        probabilities = dict(answer.ranked)
        writer.writerow(
            [
                answer.file,
                answer.ranked[0][0] if answer.ranked else "",
                *(f"{probabilities[label]:.6f}" if probabilities else "" for label in CLASSES),
                ", ".join(answer.picture.changes) if answer.picture else "",
                answer.error or "",
            ]
        )


_PRINTERS = {"text": _print_text, "json": _print_json, "csv": _print_csv}
