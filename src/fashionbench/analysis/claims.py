"""What the report says of its networks, each sentence as conditions that results can be held to.

Accuracies and losses are those of the validation images after the last epoch, unless a quantity
says otherwise.
"""

import numpy as np
import pandas as pd

from fashionbench.analysis.verdicts import Claim, Condition, NotTestableError, Quantity, Results

MARGIN = 0.01
"""One percentage point: what the report's own two digits of an accuracy can tell apart, and the
least that a difference must be to be called clear."""
LOSS_MARGIN = 0.01
"""One unit of the last digit in which the report gives its losses, in nats."""
PERCEPTRONS = ("n1_mlp", "n2_mlp", "n3_mlp", "n4_dropout", "n5_batch_norm", "n6_l1", "n7_l2")
PLATEAU_EPOCHS = 10
LAST_IMPROVEMENT = 6
"""The epoch after which the report sees no improvement of n3_mlp."""


def _final(network: str, column: str = "val_accuracy") -> Quantity:
    return lambda results: results.final(network, column)


def _difference(first: str, second: str, column: str = "val_accuracy") -> Quantity:
    return lambda results: results.final(first, column) - results.final(second, column)


def _weights_difference(first: str, second: str, statistic: str) -> Quantity:
    return lambda results: (
        results.of_weights(first, statistic) - results.of_weights(second, statistic)
    )


def _gap(network: str) -> Quantity:
    """Train accuracy less validation accuracy, both in evaluation mode, by seed."""
    return lambda results: (
        results.score(network, "train", "accuracy") - results.score(network, "val", "accuracy")
    )


def _lead(network: str) -> Quantity:
    """The accuracy of a network less the best of the other perceptrons' with the same seed."""

    def values(results: Results) -> "pd.Series[float]":
        others = {name: results.final(name) for name in PERCEPTRONS if name != network}
        return results.final(network) - pd.DataFrame(others).max(axis=1)

    return values


def _lead_in_loss(network: str) -> Quantity:
    """The least loss of the other perceptrons with the same seed less a network's."""

    def values(results: Results) -> "pd.Series[float]":
        others = {name: results.final(name, "val_loss") for name in PERCEPTRONS if name != network}
        return pd.DataFrame(others).min(axis=1) - results.final(network, "val_loss")

    return values


def _rise(network: str) -> Quantity:
    """How far a straight line through the accuracies of the last epochs rises over them."""

    def values(results: Results) -> "pd.Series[float]":
        accuracies = results.by_epoch(network, "val_accuracy")
        if len(accuracies) < PLATEAU_EPOCHS:
            raise NotTestableError(f"it takes {PLATEAU_EPOCHS} epochs")
        last = accuracies.tail(PLATEAU_EPOCHS)
        slopes = np.polyfit(last.index, last.to_numpy(), deg=1)[0]
        return pd.Series(slopes * (PLATEAU_EPOCHS - 1), index=last.columns)

    return values


def _improvement_after(network: str, epoch: int) -> Quantity:
    """The highest accuracy after an epoch less the highest up to it."""

    def values(results: Results) -> "pd.Series[float]":
        accuracies = results.by_epoch(network, "val_accuracy")
        if accuracies.index.max() <= epoch:
            raise NotTestableError(f"it takes more than {epoch} epochs")
        return accuracies.loc[epoch + 1 :].max() - accuracies.loc[:epoch].max()

    return values


def _least(network: str, better: str, worse: str) -> Quantity:
    """The least difference of two curves in any epoch."""
    return lambda results: (
        results.by_epoch(network, better) - results.by_epoch(network, worse)
    ).min()


CLAIMS = (
    Claim(
        1,
        "N1's validation accuracy reaches close to 87%",
        [
            Condition(
                "highest validation accuracy of n1 in any epoch",
                lambda results: results.by_epoch("n1_mlp", "val_accuracy").max(),
                "accuracy",
                0.87 - MARGIN,
                0.87 + MARGIN,
            )
        ],
        "Close to is within one point.",
    ),
    Claim(
        2,
        "and then fluctuates",
        [
            Condition(
                f"rise of n1's validation accuracy over the last {PLATEAU_EPOCHS} epochs",
                _rise("n1_mlp"),
                "points",
                -MARGIN,
                MARGIN,
            )
        ],
        "No trend is a straight line through these epochs that moves by less than one point.",
    ),
    Claim(
        3,
        "N2 does not improve much on N1",
        [
            Condition(
                "accuracy of n2 less n1", _difference("n2_mlp", "n1_mlp"), "points", -MARGIN, MARGIN
            )
        ],
        "Not much is an equivalence: less than one point in either direction.",
    ),
    Claim(
        4,
        "N1 and N2 have a gap between train and validation accuracy",
        [
            Condition(
                f"train less validation accuracy of {name[:2]}",
                _gap(name),
                "points",
                low=0,
            )
            for name in ("n1_mlp", "n2_mlp")
        ],
        "Both scored in evaluation mode with the final weights; a gap is more than zero.",
    ),
    Claim(
        5,
        "N3 has a smaller gap than N2",
        [
            Condition(
                "gap of n2 less gap of n3",
                lambda results: _gap("n2_mlp")(results) - _gap("n3_mlp")(results),
                "points",
                low=0,
            )
        ],
        "Smaller by anything above zero; the gap is the one of claim 4.",
    ),
    Claim(
        6,
        "N3's validation scores are lower than N2's",
        [
            Condition("accuracy of n2 less n3", _difference("n2_mlp", "n3_mlp"), "points", low=0),
            Condition(
                "loss of n3 less n2", _difference("n3_mlp", "n2_mlp", "val_loss"), "nats", low=0
            ),
        ],
        "Worse by anything above zero, in both scores.",
    ),
    Claim(
        7,
        f"N3 does not improve after epoch {LAST_IMPROVEMENT}",
        [
            Condition(
                f"n3's highest accuracy after epoch {LAST_IMPROVEMENT} less its highest before",
                _improvement_after("n3_mlp", LAST_IMPROVEMENT),
                "points",
                high=MARGIN,
            )
        ],
        "The best of many later epochs is nearly always a bit higher: it counts from one point on.",
    ),
    Claim(
        8,
        "N4's validation scores are better than its training scores in every epoch",
        [
            Condition(
                "least lead of n4's validation over its train accuracy in any epoch",
                _least("n4_dropout", "val_accuracy", "train_accuracy"),
                "points",
                low=0,
            ),
            Condition(
                "least lead of n4's validation over its train loss in any epoch",
                _least("n4_dropout", "train_loss", "val_loss"),
                "nats",
                low=0,
            ),
        ],
        "The curves as the report draws them: the train scores while dropout is on.",
    ),
    Claim(
        9,
        "N5 has the highest validation accuracy of N1 to N7, about 0.88",
        [
            Condition(
                "accuracy of n5 less the best other", _lead("n5_batch_norm"), "points", low=0
            ),
            Condition(
                "accuracy of n5", _final("n5_batch_norm"), "accuracy", 0.88 - MARGIN, 0.88 + MARGIN
            ),
        ],
        "Highest is ahead of the best other one with the same seed; about is within one point.",
    ),
    Claim(
        10,
        "N5 has the lowest validation loss of N1 to N7, and it is 1.54",
        [
            Condition(
                "lowest other loss less that of n5", _lead_in_loss("n5_batch_norm"), "nats", low=0
            ),
            Condition(
                "loss of n5",
                _final("n5_batch_norm", "val_loss"),
                "nats",
                1.54 - LOSS_MARGIN,
                1.54 + LOSS_MARGIN,
            ),
        ],
        "Lowest is below the best of the other six with the same seed; 1.54 is within 0.01.",
    ),
    Claim(
        11,
        "N6 (L1) performs clearly worse than N2",
        [Condition("accuracy of n2 less n6", _difference("n2_mlp", "n6_l1"), "points", low=MARGIN)],
        "Clearly is by more than one point.",
    ),
    Claim(
        12,
        "N7 (L2) performs better than N6 (L1)",
        [Condition("accuracy of n7 less n6", _difference("n7_l2", "n6_l1"), "points", low=0)],
        "Better by anything above zero.",
    ),
    Claim(
        13,
        "L2 leaves fewer weights at zero than L1",
        [
            Condition(
                "share of weights near zero in n6 less n7",
                _weights_difference("n6_l1", "n7_l2", "near_zero"),
                "share",
                low=0,
            )
        ],
        "Near zero is below the learning rate: a step of Adam is about as long, so that no penalty "
        "can hold a weight closer.",
    ),
    Claim(
        14,
        "L2 gives smoother weights than L1",
        [
            Condition(
                "total variation of the first layer's filters in n6 less n7",
                _weights_difference("n6_l1", "n7_l2", "total_variation"),
                "ratio",
                low=0,
            )
        ],
        "Mean difference of neighbouring weights over their mean magnitude, so that small weights "
        "do not pass for smooth ones. Of a collapsed network it measures how the optimizer "
        "trembles around zero, and nothing that was learned.",
    ),
    Claim(
        15,
        "N8 (convolution) scores much better than N1 to N7",
        [
            Condition(
                "accuracy of n8 less the best perceptron's",
                _lead("n8_conv"),
                "points",
                low=MARGIN,
            )
        ],
        "Much is by more than one point, over the best of the seven with the same seed.",
    ),
)
