"""Made-up tables of calibration and robustness of two networks."""

import pandas as pd

from fashionbench.analysis.calibration_and_robustness import TrustTables
from fashionbench.evaluation.corruptions import CLEAN, CORRUPTIONS
from fashionbench.evaluation.scores import BINS


def calibration(*surer_by_seed: float, images: int = 100) -> pd.DataFrame:
    """A table in which each bin's mean probability is above its accuracy by that of the seed."""
    return pd.DataFrame(
        [
            {
                "seed": seed,
                "split": split,
                "bin": number,
                "images": images,
                "correct": images * number // BINS,
                "confidence": images * number // BINS + images * surer,
            }
            for seed, surer in enumerate(surer_by_seed)
            for split in ("train", "val", "test")
            for number in range(1, BINS + 1)
        ]
    )


def robustness(*accuracies_by_seed: float, lost: float = 0.1) -> pd.DataFrame:
    """A table in which each step of strength loses the same share of the clean accuracy."""
    steps = [(CLEAN, 0)] + [
        ((kind, strength), step)
        for kind, corruption in CORRUPTIONS.items()
        for step, strength in enumerate(corruption.strengths, start=1)
    ]
    return pd.DataFrame(
        [
            {
                "seed": seed,
                "corruption": kind,
                "strength": strength,
                "accuracy": accuracy - lost * step,
            }
            for seed, accuracy in enumerate(accuracies_by_seed)
            for (kind, strength), step in steps
        ]
    )


TABLES = TrustTables(
    calibration={"good": calibration(0.02, 0.04), "bad": calibration(0.3, 0.3)},
    robustness={"good": robustness(0.8, 0.9), "bad": robustness(0.1, 0.1, lost=0)},
)
