"""Selection of the replicate that stands for its network."""

import pytest

from fashionbench.evaluation.selection import best_seed


@pytest.mark.parametrize(
    ("accuracies", "best"),
    [
        ({0: 0.8, 1: 0.9, 2: 0.85}, 1),
        ({2: 0.9, 0: 0.8, 1: 0.9}, 1),
        ({3: 0.0}, 3),
    ],
)
def test_the_best_seed_is_the_most_accurate_and_the_lowest_among_equals(
    accuracies: dict[int, float], best: int
) -> None:
    assert best_seed(accuracies) == best
