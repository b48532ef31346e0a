"""The data that the page's scripts explore: results by seed, pairs, answers and thumbnails."""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image
from scipy.special import stdtrit

from fashionbench.analysis.pairs import mcnemar_p
from fashionbench.analysis.result_files import KINDS
from fashionbench.analysis.results import Chosen, Results
from fashionbench.analysis.statistics import CONFIDENCE
from fashionbench.page.figures import INK, NETWORK_COLOURS, by_epoch, in_range
from fashionbench.paths import SPLITS

MOST_THUMBNAILS = 750
COLUMNS = 25
"""Thumbnails in a row of their picture."""
_BITS = 4
"""Of grey: half the bytes of eight, and no difference to be seen at this size."""
_COLOURS = 64
_CURVES = tuple(f"{split}_{kind}" for split in ("train", "val") for kind in KINDS)


@dataclass(frozen=True, kw_only=True)
class Explorer:
    """What can be explored: ``data`` for the scripts, and the thumbnails' picture, a data URI.

    ``ratio`` is the height of a thumbnail divided by its width.
    ``shown`` are the networks chosen at first, ``pair`` the two that are compared at first.
    """

    data: Mapping[str, Any]
    picture: str
    ratio: float
    shown: Sequence[str]
    pair: tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What the chosen replicates of an arm answer, and some images (n, height, width[, 3])."""

    loss_input: str
    chosen: Chosen
    indices: npt.NDArray[np.int64]
    images: npt.NDArray[np.uint8]


def explore(
    arms: Sequence[Results],
    comparison: pd.DataFrame,
    pairs: pd.DataFrame,
    answers: Answers | None,
) -> Explorer:
    """Prepare the results of all arms; ``comparison`` is that of the first, ``pairs`` of all."""
    names = list(arms[0].scores)
    visible = in_range(comparison)
    best = comparison.sort_values("test_accuracy", ascending=False, kind="stable")["network"]
    first, *others = [str(name) for name in best]
    seeds = {
        name: [int(seed) for seed in arms[0].score(name, "val", "accuracy").index] for name in names
    }
    most = max(map(len, seeds.values()))
    data = {
        "networks": names,
        "colours": [colour(index) for index in range(len(names))],
        "classes": arms[0].classes,
        "seeds": seeds,
        # Student's, of 95% intervals by the number of seeds.
        "quantiles": {
            str(n): float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) for n in range(2, most + 1)
        },
        "alpha": round(1 - CONFIDENCE, 12),
        "costs": {
            str(row["network"]): {
                "parameters": row["parameters"],
                "teraflop": round(row["train_teraflop"], 2),
            }
            for row in comparison.to_dict("records")
        },
        "arms": {
            arm.loss_input: _arm(arm, pairs[pairs["loss_input"] == arm.loss_input]) for arm in arms
        },
        "chosen": _answers(answers) if answers else None,
        "thumbnails": {
            "images": answers.indices.tolist() if answers else [],
            "columns": COLUMNS,
        },
    }
    return Explorer(
        data=data,
        picture=sprite(answers.images) if answers and len(answers.images) else "",
        ratio=answers.images.shape[1] / answers.images.shape[2] if answers else 1,
        shown=[name for name in names if name in visible],
        pair=(first, others[0] if others else first),
    )


def colour(index: int) -> str:
    """Return a network's colour on the page, by its place: that of its lines in the figures."""
    found = NETWORK_COLOURS[index % len(NETWORK_COLOURS)]
    return "currentColor" if found == INK else found


def _arm(results: Results, pairs: pd.DataFrame) -> dict[str, Any]:
    return {
        "curves": {
            # One list of epochs per seed.
            name: {column: by_epoch(curve, column).to_numpy().T.tolist() for column in _CURVES}
            for name, curve in results.curves.items()
        },
        "scores": {
            name: {split: _scores(results, name, split) for split in SPLITS}
            for name in results.scores
        },
        "pairs": [
            {key: _without_nan(value) for key, value in row.items() if key != "loss_input"}
            for row in pairs.to_dict("records")
        ],
    }


def _scores(results: Results, name: str, split: str) -> dict[str, Any]:
    """Return final scores by seed, those of classes in the order of their labels."""
    kinds = {kind: results.score(name, split, kind).tolist() for kind in KINDS}
    classes = [results.score(name, split, f"accuracy {one}").tolist() for one in results.classes]
    return {**kinds, "classes": classes}


def _answers(answers: Answers) -> dict[str, Any]:
    """Return labels and answers as strings of one character an image: 0 to 9, and those after 9."""
    chosen = answers.chosen
    return {
        "arm": answers.loss_input,
        "seeds": dict(chosen.seeds),
        "labels": _characters(chosen.labels),
        "predictions": {name: _characters(found) for name, found in chosen.predictions.items()},
        "mcnemar": {" ".join(pair): float(f"{p:.3g}") for pair, p in mcnemar_p(chosen).items()},
    }


def _characters(classes: npt.NDArray[np.uint8]) -> str:
    return "".join(chr(ord("0") + label) for label in classes.tolist())


def _without_nan(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value


def sprite(images: npt.NDArray[np.uint8]) -> str:
    """Return images (n, height, width[, 3]) as a PNG in a data URI: COLUMNS a row, row by row."""
    sheet, file = _side_by_side(images), io.BytesIO()
    if images.ndim == 3:
        picture = Image.fromarray(sheet >> (8 - _BITS)).convert("P")
        levels = np.arange(2**_BITS) * 255 // (2**_BITS - 1)
        picture.putpalette(np.repeat(levels, 3).astype(np.uint8).tobytes())
        picture.save(file, format="PNG", bits=_BITS, optimize=True)
    else:
        Image.fromarray(sheet).quantize(_COLOURS).save(file, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def _side_by_side(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return images as one, on black."""
    count, height, width, *channels = images.shape
    rows = -(-count // COLUMNS)
    cells = np.zeros((rows * COLUMNS, *images.shape[1:]), np.uint8)
    cells[:count] = images
    grid = cells.reshape(rows, COLUMNS, height, width, *channels).swapaxes(1, 2)
    return grid.reshape(rows * height, COLUMNS * width, *channels)
