"""The report's claims about its networks, each as conditions on the results."""

from fashionbench.analysis.conditions import Claim, Condition
from fashionbench.analysis.quantities import (
    above_each,
    below_each,
    change_after,
    difference,
    each_epoch,
    final,
    fluctuation,
    gap,
    gap_difference,
    highest,
    rise,
    weights_difference,
)

MARGIN = 0.01
"""One percentage point: the resolution of the report's two-digit accuracies, and the smallest
difference that counts as clear."""
LOSS_MARGIN = 0.01
"""One unit of the last digit in which the report gives its losses, in nats."""
VISIBLE = 0.001
"""A tenth of a point: about the width of a line in a figure whose axis spans ten points, so that
smaller changes cannot be seen in it."""
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
                reported=0.87,
            )
        ],
        "“Close to” means within one point.",
    ),
    Claim(
        2,
        "N1's validation accuracy then fluctuates",
        [
            Condition(
                "standard deviation of n1's changes from epoch to epoch, minus that of the "
                "smoothed curve",
                fluctuation("n1_mlp", PLATEAU_EPOCHS),
                "points",
                low=VISIBLE,
            ),
            Condition(
                f"rise of n1's validation accuracy over the last {PLATEAU_EPOCHS} epochs",
                rise("n1_mlp", PLATEAU_EPOCHS),
                "points",
                -MARGIN,
                MARGIN,
            ),
        ],
        f"Over the last {PLATEAU_EPOCHS} epochs the accuracy varies from epoch to epoch by at "
        "least a tenth of a point more than its moving average over three epochs, about what can "
        "be seen in a figure; and it has no trend: a straight line fitted to these epochs rises or "
        "falls by less than one point.",
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
            Condition("loss of n3 minus n2", difference("n3_mlp", "n2_mlp", "loss"), "nats", low=0),
        ],
        "Worse in both scores, by any amount: a lower accuracy and a higher loss.",
    ),
    Claim(
        7,
        f"N3 does not improve after epoch {LAST_IMPROVEMENT}",
        [
            Condition(
                f"n3's accuracy after the last epoch minus that after epoch {LAST_IMPROVEMENT}",
                change_after("n3_mlp", LAST_IMPROVEMENT),
                "points",
                high=MARGIN,
            )
        ],
        "An improvement counts from one point. Two fixed epochs are compared, since the maximum "
        "over many epochs is higher than that over few even where nothing improves.",
    ),
    Claim(
        8,
        "N4's validation scores are better than its training scores in every epoch",
        [
            Condition(
                "excess of n4's validation over its train accuracy in each epoch",
                each_epoch("n4_dropout", "val_accuracy", "train_accuracy"),
                "points",
                low=0,
            ),
            Condition(
                "excess of n4's train over its validation loss in each epoch",
                each_epoch("n4_dropout", "train_loss", "val_loss"),
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
                "accuracy of n5 minus that of each other perceptron",
                above_each("n5_batch_norm"),
                "points",
                low=0,
            ),
            Condition(
                "accuracy of n5",
                final("n5_batch_norm"),
                "accuracy",
                0.88 - MARGIN,
                0.88 + MARGIN,
                reported=0.88,
            ),
        ],
        "“Highest” means above each of the other six; “about” means within one point.",
    ),
    Claim(
        10,
        "N5 has the lowest validation loss of N1 to N7, and it is 1.54",
        [
            Condition(
                "loss of each other perceptron minus that of n5",
                below_each("n5_batch_norm"),
                "nats",
                low=0,
            ),
            Condition(
                "loss of n5",
                final("n5_batch_norm", "loss"),
                "nats",
                1.54 - LOSS_MARGIN,
                1.54 + LOSS_MARGIN,
                reported=1.54,
                loss_input="probabilities",
            ),
        ],
        "“Lowest” means below each of the other six; 1.54 means within 0.01 nats. The number is on "
        "the scale of cross-entropy of softmax outputs, so the claim applies to that loss only.",
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
        about=("n6_l1", "n7_l2"),
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
        about=("n6_l1", "n7_l2"),
    ),
    Claim(
        15,
        "N8 (convolution) scores much better than N1 to N7",
        [
            Condition(
                "accuracy of n8 minus that of each perceptron",
                above_each("n8_conv"),
                "points",
                low=MARGIN,
            )
        ],
        "“Much” means by more than one point over each of the seven.",
    ),
)
