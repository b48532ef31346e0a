"""Scores on corrupted images, and their comparison."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_trust import robustness
from repositories import CLASSES
from safetensors.torch import save_file
from trainings import network

from fashionbench.analysis.calibration_and_robustness import (
    compare_robustness,
    curve_of,
    mean_robustness,
)
from fashionbench.data.splits import Split, save_split
from fashionbench.evaluation.corruptions import CLEAN, CORRUPTIONS, IMAGES, corrupt, part_of
from fashionbench.evaluation.trained import EvaluationTask, robustness_rows, run_robustness
from fashionbench.networks.declared import build, weights_of
from fashionbench.networks.forward import infer


def random_split(images: int) -> Split:
    generator = np.random.default_rng(0)
    return Split(
        generator.integers(256, size=(images, 28, 28), dtype=np.uint8),
        generator.integers(len(CLASSES), size=images, dtype=np.uint8),
    )


def test_a_part_has_equally_many_images_of_each_class_in_their_order() -> None:
    split = random_split(3000)
    part = part_of(split)
    assert np.bincount(part.labels).tolist() == [IMAGES // 10] * 10
    first = [np.flatnonzero(split.labels == label)[: IMAGES // 10] for label in range(10)]
    assert np.array_equal(part.images, split.images[np.sort(np.concatenate(first))])
    few = part_of(random_split(50))
    assert len(few) == 50


def test_a_replicate_is_scored_on_each_corruption_as_in_the_evaluation(tmp_path: Path) -> None:
    split, files = random_split(60), [tmp_path / name for name in ("seed_0", "split")]
    save_split(split, files[1])
    torch.manual_seed(0)
    module = build(network())
    save_file(weights_of(module), files[0])
    task = EvaluationTask(
        network=network(),
        loss_input="probabilities",
        device="cpu",
        precision="float32",
        weights=files[0],
        split=files[1],
    )
    found = run_robustness(task)
    assert next(iter(found)) == CLEAN
    assert len(found) == 1 + sum(len(kind.strengths) for kind in CORRUPTIONS.values())
    part = part_of(split)
    images = {CLEAN: part.images, ("blur", 8): corrupt(part.images, "blur", 8)}
    for corruption, corrupted in images.items():
        predicted = infer(module, torch.from_numpy(corrupted)).argmax(dim=1).numpy()
        assert found[corruption] == (predicted == part.labels).mean()
    rows = robustness_rows({7: found})
    assert rows[0] == {
        "seed": 7,
        "corruption": "none",
        "strength": 0,
        "accuracy": found[CLEAN],
    }
    assert len(rows) == len(found)


def test_means_and_intervals_are_over_seeds_and_curves_begin_with_clean_images() -> None:
    found = compare_robustness({"good": robustness(0.8, 0.9), "bad": robustness(0.1, lost=0)})
    curve = curve_of(found, "good", "noise")
    assert curve["strength"].tolist() == [0, *CORRUPTIONS["noise"].strengths]
    assert curve["accuracy"].tolist() == pytest.approx([0.85, 0.75, 0.65, 0.55, 0.45])
    # Student's t for one degree of freedom is 12.706; half the spread is 0.05.
    half = (curve["high"] - curve["accuracy"]).tolist()
    assert half == pytest.approx([12.706 * 0.05] * 5, rel=1e-4)
    assert mean_robustness(found).to_dict() == pytest.approx({"good": 0.6, "bad": 0.1})
    assert all(math.isnan(low) for low in curve_of(found, "bad", "blur")["low"])
