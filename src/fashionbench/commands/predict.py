"""The command ``fashionbench predict``: classifies pictures with a registered model."""

import csv
import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from safetensors import SafetensorError

from fashionbench.analysis.result_files import COMPARISON_FILE
from fashionbench.errors import DataError
from fashionbench.messages import in_printable
from fashionbench.params import load_params
from fashionbench.paths import CHAMPIONS_DIR, champion_file
from fashionbench.serving.preprocessing import SUFFIXES, Picture, read_picture
from fashionbench.tables import read_table
from fashionbench.terminal import open_console
from fashionbench.tracking.address import store_address

Form = Literal["text", "json", "csv"]
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_LONGEST_NAME, _LONGEST_SHOWN = 255, 40
"""Characters of a file's name on common disks, and those that are printed of a longer one."""
_SHOWN = 3
"""The number of classes printed per picture, the likeliest first."""


@dataclass(frozen=True)
class Answer:
    """What is said of one file: the picture, or why there is none."""

    file: str
    picture: Picture | None = None
    error: str | None = None

    def describe(self, model: str, probabilities: Mapping[str, float]) -> dict[str, Any]:
        """Return the fields of JSON and CSV: classes, the likeliest first, changes and warnings."""
        ranked = dict(sorted(probabilities.items(), key=lambda one: -one[1]))
        return {
            "file": self.file,
            "model": model,
            "class": next(iter(ranked), None),
            "probabilities": ranked,
            "changes": self.picture.changes if self.picture else [],
            "warnings": self.picture.warnings if self.picture else [],
            "error": self.error,
        }


def predict(
    images: Sequence[str],
    network: str | None = None,
    form: Form = "text",
    start: Path | None = None,
) -> None:
    """Print the likeliest classes of each picture, and the conversions applied to it.

    Of a folder all pictures are taken, those in its folders too. Without ``network`` the model is
    the best of all networks. Relative files are looked up in ``start``. All pictures are classified
    before DataError is raised for files that are not pictures, each of which has a line on stderr
    if there are several; it is raised at once if none is, or if MLflow has no such model. Raises
    ConfigError for an unknown network.
    """
    params = load_params()
    if network is not None:
        params.network(network)
    shape = None if params.dataset.framed else params.dataset.shape
    read = [answer for file in images for answer in _read(file, start or Path(), shape)]
    pixels = [answer.picture.pixels for answer in read if answer.picture]
    if pixels:
        classify, name = _load(network)
        found = classify(np.stack(pixels)).astype(float)
        rows = iter(found.to_dict("records"))
        said = [answer.describe(name, next(rows) if answer.picture else {}) for answer in read]
        _PRINTERS[form](said, list(found.columns))
    elif form != "text":
        _PRINTERS[form]([answer.describe("", {}) for answer in read], params.dataset.classes)
    _raise_for_bad([answer.error for answer in read if answer.error], len(read))


def _load(network: str | None) -> tuple[Callable[[Any], Any], str]:
    """Load MLflow's champion or, where there is no store, the one in git; return its description.

    Raises DataError if there is neither, or if the weights do not fit params.yaml.
    """
    _, database = store_address()
    if database and not database.exists() and (kept := _kept(network)):
        return kept
    # Imported here: MLflow takes seconds.
    from fashionbench.tracking.registry import load_champion

    model, name = load_champion(network)
    return model.predict, name


def _kept(network: str | None) -> tuple[Callable[[Any], Any], str] | None:
    """Load the weights that git keeps of a network, or of the best by validation accuracy."""
    if not CHAMPIONS_DIR.is_dir():
        return None
    name = network or str(
        read_table(COMPARISON_FILE).set_index("network")["val_accuracy_median"].idxmax()
    )
    file = champion_file(name)
    if not file.exists():
        return None
    from fashionbench.serving.classifier import Classifier

    params = load_params().of(name)
    classes = params.dataset.classes
    try:
        classifier = Classifier(params.network(name), file, params.precision, classes)
    except (RuntimeError, SafetensorError) as error:
        raise DataError(f"{file} does not fit {name} of params.yaml; run dvc repro") from error

    def classify(pixels: npt.NDArray[np.uint8]) -> pd.DataFrame:
        return pd.DataFrame(classifier.probabilities(pixels), columns=list(classes))

    return classify, f"{name}, from {file}"


def _read(name: str, start: Path, shape: tuple[int, ...] | None) -> list[Answer]:
    """Read a file, or all pictures in a folder."""
    path = start / name
    if not name or max(map(len, path.parts)) > _LONGEST_NAME:
        shown = repr(name[:_LONGEST_SHOWN] + ("..." if name[_LONGEST_SHOWN:] else ""))
        return [Answer(shown, error=f"{shown} is not a file name; name a picture")]
    if _ADDRESS.match(name):
        return [Answer(name, error=f"{name} is an address; download it, and name the file")]
    try:
        if not os.path.isdir(path):
            return [Answer(name, read_picture(path, shape))]
        names = [os.path.join(name, file.relative_to(path)) for file in _pictures_in(path)]
    except DataError as error:
        # As it was typed.
        return [Answer(name, error=str(error).replace(str(path), name, 1))]
    if not names:
        return [Answer(name, error=f"{name} is a folder without pictures; name a picture")]
    return [answer for file in names for answer in _read(file, start, shape)]


def _pictures_in(folder: Path) -> list[Path]:
    """Return the files in a folder, or below it, that are pictures by their names, sorted."""

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename} may not be read ({error.strerror}); try chmod +rx")

    return sorted(
        Path(place, file)
        for place, _, files in os.walk(folder, onerror=refuse)
        for file in files
        if file.lower().endswith(SUFFIXES) and not file.startswith(".")
    )


def _raise_for_bad(errors: Sequence[str], number: int) -> None:
    """Raise DataError if there are any errors; if there are several, print a line for each."""
    if not errors:
        return
    if number == 1:
        raise DataError(errors[0])
    what = f"{len(errors)} of {number} files {'is' if len(errors) == 1 else 'are'} not classified"
    if len(errors) == 1:
        raise DataError(f"{what}: {errors[0]}")
    sys.stdout.flush()
    for error in errors:
        sys.stderr.write(f"{in_printable(error)}\n")
    raise DataError(what)


def _print_text(said: Sequence[dict[str, Any]], _: Sequence[str]) -> None:
    console = open_console()
    model = f"classified by {said[0]['model']}"
    console.print(model, style="dim", markup=False, emoji=False, soft_wrap=True)
    for one in said:
        if one["class"]:
            likeliest = list(one["probabilities"].items())[:_SHOWN]
            classes = ", ".join(f"{label} {probability:.1%}" for label, probability in likeliest)
            changes = ", ".join(one["changes"]) or "used as it is"
            cautions = "".join(f"; caution: {warning}" for warning in one["warnings"])
            line = f"{in_printable(one['file'])}: {classes} ({changes}){cautions}"
            console.print(line, markup=False, emoji=False, soft_wrap=True)


def _print_json(said: Sequence[dict[str, Any]], _: Sequence[str]) -> None:
    sys.stdout.write(f"{json.dumps(said, indent=2)}\n")


def _print_csv(said: Sequence[dict[str, Any]], classes: Sequence[str]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["file", "class", *classes, "changes", "warnings", "error"])
    for one in said:
        found = one["probabilities"]
        shares = [f"{found[label]:.6f}" if found else "" for label in classes]
        words = [", ".join(one["changes"]), "; ".join(one["warnings"]), one["error"]]
        writer.writerow([one["file"], one["class"], *shares, *words])


_PRINTERS = {"text": _print_text, "json": _print_json, "csv": _print_csv}
