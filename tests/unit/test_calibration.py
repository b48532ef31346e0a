"""Calibration: counts by confidence, and the error that follows from them."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from made_up_trust import calibration

from fashionbench.analysis.calibration_and_robustness import (
    FEWEST,
    calibration_error,
    compare_calibration,
    overconfidence,
    reliability,
)
from fashionbench.evaluation.scores import BINS, Evaluation, calibration_rows
from fashionbench.evaluation.trained import evaluate


def scored(images: int = 2000) -> Evaluation:
    """Score random logits, which are right more often than by chance."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(10, (images,), generator=generator)
    logits = 2 * torch.randn(images, 10, generator=generator)
    logits[torch.arange(images), labels] += 2
    return evaluate(logits, labels, "logits")


def test_the_error_is_the_mean_distance_of_confidence_from_accuracy() -> None:
    """As computed image by image, straight from the definition."""
    found = scored()
    expected = 0.0
    for number in range(BINS):
        inside = [
            place
            for place, confidence in enumerate(found.confidences.tolist())
            if number / BINS < confidence <= (number + 1) / BINS
        ]
        if inside:
            gap = found.correct[inside].mean() - found.confidences[inside].mean(dtype=np.float64)
            expected += abs(gap) * len(inside) / len(found.correct)
    table = pd.DataFrame(calibration_rows({3: {"test": found}}))
    assert calibration_error(table).to_dict() == {3: pytest.approx(expected, abs=1e-12)}
    assert expected > 0.01
    surer = found.confidences.mean(dtype=np.float64) - found.accuracy
    assert overconfidence(table)[3] == pytest.approx(surer, abs=1e-12)


def test_a_table_has_every_bin_and_counts_every_image_once() -> None:
    found = scored()
    table = pd.DataFrame(calibration_rows({0: {"val": found, "test": found}, 1: {"test": found}}))
    assert len(table) == 3 * BINS
    assert set(table["bin"]) == set(range(1, BINS + 1))
    sums = table.groupby(["seed", "split"])[["images", "correct"]].sum()
    assert sums["images"].tolist() == [2000] * 3
    assert sums["correct"].tolist() == [int(found.correct.sum())] * 3


def test_certainty_is_in_the_last_bin_and_a_tenth_in_the_second() -> None:
    logits = torch.zeros(2, 10)
    logits[1, 0] = 1000
    rows = calibration_rows({0: {"test": evaluate(logits, torch.tensor([1, 0]), "logits")}})
    filled = {row["bin"]: row["images"] for row in rows if row["images"]}
    assert filled == {2: 1, BINS: 1}


def test_as_sure_as_right_is_no_error_and_splits_are_apart() -> None:
    table = calibration(0.0, 0.1)
    assert calibration_error(table).tolist() == pytest.approx([0, 0.1])
    table.loc[table["split"] == "test", "confidence"] -= 30
    assert overconfidence(table).tolist() == pytest.approx([-0.3, -0.2])
    assert calibration_error(table, "val").tolist() == pytest.approx([0, 0.1])


def test_intervals_are_over_seeds() -> None:
    (row,) = compare_calibration({"good": calibration(0.02, 0.04)}).to_dict("records")
    # Student's t for one degree of freedom is 12.706; half the spread is 0.01.
    assert row["calibration_error"] == pytest.approx(0.03)
    assert row["calibration_error_high"] - 0.03 == pytest.approx(12.706 * 0.01, rel=1e-4)
    (single,) = compare_calibration({"good": calibration(0.02)}).to_dict("records")
    assert math.isnan(single["overconfidence_low"])


def test_bins_with_few_images_are_not_shown() -> None:
    few = calibration(0.0, 0.0, images=FEWEST // 2)
    assert len(reliability(few)) == BINS
    few.loc[few["bin"] == 7, "images"] -= 1
    shown = reliability(few)
    assert len(shown) == BINS - 1
    assert shown["images"].tolist() == [FEWEST] * (BINS - 1)
    empty = reliability(few[few["split"] == "train"])
    assert empty.empty
    assert list(empty.columns) == list(shown.columns)
