"""The report's claims about its networks, each as conditions on the results."""

from fashionbench.analysis.quantities import (
    difference,
    final,
    gap,
    gap_difference,
    highest,
    improvement_after,
    lead,
    lead_in_loss,
    rise,
    smallest_difference,
    weights_difference,
)
from fashionbench.analysis.verdicts import Claim, Condition

MARGIN = 0.01
"""One percentage point: the resolution of the report's two-digit accuracies, and the smallest
difference that counts as clear."""
LOSS_MARGIN = 0.01
"""One unit of the last digit in which the report gives its losses, in nats."""
PLATEAU_EPOCHS = 10
LAST_IMPROVEMENT = 6
"""The epoch after which, according to the report, n3_mlp no longer improves."""

CLAIMS = (
    Claim(
        1,
        "N1's validation accuracy reaches close to 87%",
        [
            Condition(
                "highest validation accuracy of n1 in any epoch",
                highest("n1_mlp"),
                "accuracy",
                0.87 - MARGIN,
                0.87 + MARGIN,
            )
        ],
        "“Close to” means within one point.",
    ),
    Claim(
        2,
        "N1's validation accuracy then fluctuates",
        [
            Condition(
                f"rise of n1's validation accuracy over the last {PLATEAU_EPOCHS} epochs",
                rise("n1_mlp", PLATEAU_EPOCHS),
                "points",
                -MARGIN,
                MARGIN,
            )
        ],
        "Fluctuating means without a trend: a straight line fitted to these epochs rises or falls "
        "by less than one point.",
    ),
    Claim(
        3,
        "N2 does not improve much on N1",
        [
            Condition(
                "accuracy of n2 minus n1", difference("n2_mlp", "n1_mlp"), "points", -MARGIN, MARGIN
            )
        ],
        "“Not much” is tested as an equivalence: less than one point in either direction.",
    ),
    Claim(
        4,
        "N1 and N2 have a gap between train and validation accuracy",
        [
            Condition(f"train minus validation accuracy of {name[:2]}", gap(name), "points", low=0)
            for name in ("n1_mlp", "n2_mlp")
        ],
        "Both are measured in evaluation mode with the final weights; any gap above zero counts.",
    ),
    Claim(
        5,
        "N3 has a smaller gap than N2",
        [
            Condition(
                "gap of n2 minus gap of n3", gap_difference("n2_mlp", "n3_mlp"), "points", low=0
            )
        ],
        "Any reduction counts; the gap is that of claim 4.",
    ),
    Claim(
        6,
        "N3's validation scores are lower than N2's",
        [
            Condition("accuracy of n2 minus n3", difference("n2_mlp", "n3_mlp"), "points", low=0),
            Condition(
                "loss of n3 minus n2", difference("n3_mlp", "n2_mlp", "val_loss"), "nats", low=0
            ),
        ],
        "Worse in both scores, by any amount: a lower accuracy and a higher loss.",
    ),
    Claim(
        7,
        f"N3 does not improve after epoch {LAST_IMPROVEMENT}",
        [
            Condition(
                f"n3's highest accuracy after epoch {LAST_IMPROVEMENT} minus its highest before",
                improvement_after("n3_mlp", LAST_IMPROVEMENT),
                "points",
                high=MARGIN,
            )
        ],
        "The maximum over many later epochs is almost always slightly higher, so an improvement "
        "counts from one point.",
    ),
    Claim(
        8,
        "N4's validation scores are better than its training scores in every epoch",
        [
            Condition(
                "smallest excess of n4's validation over its train accuracy in any epoch",
                smallest_difference("n4_dropout", "val_accuracy", "train_accuracy"),
                "points",
                low=0,
            ),
            Condition(
                "smallest excess of n4's train over its validation loss in any epoch",
                smallest_difference("n4_dropout", "train_loss", "val_loss"),
                "nats",
                low=0,
            ),
        ],
        "The curves as the report plots them, with train scores taken while dropout is active.",
    ),
    Claim(
        9,
        "N5 has the highest validation accuracy of N1 to N7, about 0.88",
        [
            Condition(
                "accuracy of n5 minus the best of the others",
                lead("n5_batch_norm"),
                "points",
                low=0,
            ),
            Condition(
                "accuracy of n5", final("n5_batch_norm"), "accuracy", 0.88 - MARGIN, 0.88 + MARGIN
            ),
        ],
        "“Highest” means above the best of the other six with the same seed; “about” means within "
        "one point.",
    ),
    Claim(
        10,
        "N5 has the lowest validation loss of N1 to N7, and it is 1.54",
        [
            Condition(
                "lowest loss of the others minus that of n5",
                lead_in_loss("n5_batch_norm"),
                "nats",
                low=0,
            ),
            Condition(
                "loss of n5",
                final("n5_batch_norm", "val_loss"),
                "nats",
                1.54 - LOSS_MARGIN,
                1.54 + LOSS_MARGIN,
            ),
        ],
        "“Lowest” means below the best of the other six with the same seed; 1.54 means within "
        "0.01 nats.",
    ),
    Claim(
        11,
        "N6 (L1) performs clearly worse than N2",
        [Condition("accuracy of n2 minus n6", difference("n2_mlp", "n6_l1"), "points", low=MARGIN)],
        "“Clearly” means by more than one point.",
    ),
    Claim(
        12,
        "N7 (L2) performs better than N6 (L1)",
        [Condition("accuracy of n7 minus n6", difference("n7_l2", "n6_l1"), "points", low=0)],
        "Any difference above zero counts.",
    ),
    Claim(
        13,
        "L2 leaves fewer weights at zero than L1",
        [
            Condition(
                "share of weights near zero, n6 minus n7",
                weights_difference("n6_l1", "n7_l2", "near_zero"),
                "share",
                low=0,
            )
        ],
        "Near zero means below the learning rate in magnitude: that is about one step of Adam, and "
        "no penalty can hold a weight closer.",
    ),
    Claim(
        14,
        "L2 gives smoother weights than L1",
        [
            Condition(
                "total variation of the first layer's filters, n6 minus n7",
                weights_difference("n6_l1", "n7_l2", "total_variation"),
                "ratio",
                low=0,
            )
        ],
        "Total variation is the mean difference of neighbouring weights relative to their mean "
        "magnitude, so that small weights do not count as smooth. In a collapsed network it "
        "measures the optimizer's oscillation around zero rather than anything learned.",
    ),
    Claim(
        15,
        "N8 (convolution) scores much better than N1 to N7",
        [
            Condition(
                "accuracy of n8 minus the best perceptron", lead("n8_conv"), "points", low=MARGIN
            )
        ],
        "“Much” means by more than one point over the best of the seven with the same seed.",
    ),
)
