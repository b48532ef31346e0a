"""The report's claims, and made-up results of all networks with the quantities a test is about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from repositories import CLASSES, PROJECT

from fashionbench.analysis.results import Results
from fashionbench.claims.quantities import load_claims

CLAIMS = load_claims(PROJECT / "claims.yaml")
NUM_EPOCHS = 12
NETWORKS = (
    "n1_mlp",
    "n2_mlp",
    "n3_mlp",
    "n4_dropout",
    "n5_batch_norm",
    "n6_l1",
    "n7_l2",
    "n8_conv",
)

BySeed = Sequence[float]


def near(mean: float, spread: float = 0.001) -> BySeed:
    """Five values, one a seed, so close together that their interval is about +-1.6 spreads."""
    return [mean + spread * step for step in (-1.5, -0.5, 0, 0.5, 1.5)]


def scattered(mean: float) -> BySeed:
    """Five values whose interval reaches far to both sides."""
    return near(mean, 0.3)


@dataclass(frozen=True, kw_only=True)
class MadeUp:
    """A network by seed. Accuracies and losses are those of the validation images at the end.

    ``rise`` is how far the accuracy goes up, in a straight line, over all epochs but the first two,
    and ``wobble`` how far it steps up and down from epoch to epoch, ending at ``accuracy``;
    ``loss_fall`` is how far the validation loss falls likewise. Of each seed in ``lost`` no
    validation image of a coat is recognised. The leads are those of the train images:
    ``train_lead`` in evaluation mode, ``curve_lead`` on the curves, in accuracy and, with the other
    sign, in loss.
    """

    accuracy: BySeed = tuple(near(0.85))
    loss: BySeed = tuple(near(1.6))
    rise: BySeed = (0.0,) * 5
    wobble: BySeed = (0.0,) * 5
    loss_fall: BySeed = (0.0,) * 5
    lost: Sequence[int] = ()
    train_lead: BySeed = tuple(near(0.02))
    curve_lead: BySeed = tuple(near(0.02))
    near_zero: BySeed = tuple(near(0.1))
    total_variation: BySeed = tuple(near(0.8))


def results(
    told: Mapping[str, MadeUp] | None = None, seeds: int = 5, num_epochs: int = NUM_EPOCHS
) -> Results:
    """Results in which the networks named are as told, and all others alike."""
    curves, scores, weights = {}, {}, {}
    for name in NETWORKS:
        made_up = (told or {}).get(name, MadeUp())
        curves[name] = pd.DataFrame(
            [
                {
                    "seed": seed,
                    "epoch": epoch,
                    "train_objective": made_up.loss[seed] + 0.1,
                    "train_loss": made_up.loss[seed] - made_up.curve_lead[seed],
                    "train_accuracy": accuracy + made_up.curve_lead[seed],
                    "val_loss": made_up.loss[seed] + made_up.loss_fall[seed] * left,
                    "val_accuracy": accuracy,
                }
                for seed in range(seeds)
                for epoch in range(1, num_epochs + 1)
                for left in [min(1, (num_epochs - epoch) / (num_epochs - 3 or 1))]
                for step in [made_up.wobble[seed] * ((num_epochs - epoch) % 2)]
                for accuracy in [made_up.accuracy[seed] - made_up.rise[seed] * left + step]
            ]
        )
        scores[name] = pd.DataFrame(
            [
                {
                    "seed": seed,
                    "split": split,
                    "loss": made_up.loss[seed],
                    "accuracy": made_up.accuracy[seed]
                    + (made_up.train_lead[seed] if split == "train" else 0),
                }
                | {f"accuracy {name}": 0.9 for name in CLASSES}
                | {"accuracy Coat": 0.0 if seed in made_up.lost and split == "val" else 0.7}
                for seed in range(seeds)
                for split in ("train", "val", "test")
            ]
        )
        weights[name] = pd.DataFrame(
            {
                "seed": range(seeds),
                "count": 1000,
                "near_zero": made_up.near_zero[:seeds],
                "magnitude": 0.1,
                "total_variation": made_up.total_variation[:seeds],
            }
        )
    return Results(curves=curves, scores=scores, weights=weights)
