"""Images that occur more than once, counted."""

import numpy as np

from fashionbench.data.splits import Duplicates, Split, count_duplicates


def split(*images: tuple[int, int]) -> Split:
    """Make images that each have a single grey value, given with its label."""
    greys = np.array([grey for grey, _ in images], np.uint8)
    pixels = np.broadcast_to(greys[:, None, None], (len(images), 28, 28)).copy()
    return Split(pixels, np.array([label for _, label in images], np.uint8))


def test_duplicates_are_counted_within_and_between_the_parts() -> None:
    train = split((1, 0), (1, 0), (1, 3), (2, 4), (3, 5))
    test = split((2, 4), (2, 6), (3, 5), (9, 9), (9, 9))
    assert count_duplicates(train, test) == Duplicates(train=2, test=2, in_both=3, other_label=1)


def test_one_different_pixel_is_another_image() -> None:
    train, test = split((1, 0)), split((1, 0))
    test.images[0, 27, 27] = 2
    assert count_duplicates(train, test).in_both == 0
