"""Select the replicate that stands for its network."""

from collections.abc import Mapping


def best_seed(accuracies: Mapping[int, float]) -> int:
    """Return the seed with the highest accuracy, the lowest seed among equals.

    ``accuracies`` are those on the validation images, by seed; ValueError if there are none.
    """
    return max(accuracies, key=lambda seed: (accuracies[seed], -seed))
