"""Corrupted images: what each kind does, and that it is always the same."""

import hashlib

import numpy as np
import pytest

from fashionbench.evaluation.corruptions import CORRUPTIONS, Images, corrupt

KINDS = list(CORRUPTIONS)
CENTRE = 14


def articles(count: int = 40) -> Images:
    """Return images of a bright block with a pattern, on a black ground."""
    rows, columns = np.mgrid[0:28, 0:28]
    pattern = (7 * rows + 3 * columns) % 128 + 100
    inside = (abs(rows - CENTRE) < 9) & (abs(columns - CENTRE) < 7)
    image = np.where(inside, pattern, 0).astype(np.uint8)
    return np.stack([np.roll(image, number % 3, axis=1) for number in range(count)])


def a_point() -> Images:
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, CENTRE, CENTRE] = 240
    return image


@pytest.mark.parametrize("kind", KINDS)
def test_the_images_are_changed_more_the_greater_the_strength(kind: str) -> None:
    images = articles()
    assert np.array_equal(corrupt(images, kind, 0), images)
    changes = [
        np.abs(corrupt(images, kind, strength).astype(int) - images).mean()
        for strength in CORRUPTIONS[kind].strengths
    ]
    assert changes == sorted(changes)
    assert len(set(changes)) == len(changes) == 4
    assert changes[0] > 0
    assert np.array_equal(images, articles())


DIGESTS = {
    "shift": "5a36b20730f3746a",
    "noise": "33736cf77b2d1eb6",
    "blur": "b65bd1cb941f0c22",
    "occlusion": "908c7f272e97e780",
    "contrast": "fff56b06b72a66e1",
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_bytes_on_every_processor(kind: str) -> None:
    """The digests are of images corrupted on a Xeon with AVX-512."""
    content = hashlib.sha256()
    for strength in CORRUPTIONS[kind].strengths:
        corrupted = corrupt(articles(), kind, strength)
        assert corrupted.dtype == np.uint8
        content.update(corrupted.tobytes())
    assert content.hexdigest()[:16] == DIGESTS[kind]


def test_a_shift_moves_by_so_many_pixels_in_one_of_eight_directions() -> None:
    points = np.repeat(a_point(), 200, axis=0)
    shifted = corrupt(points, "shift", 3)
    places = {tuple(np.argwhere(image)[0] - CENTRE) for image in shifted}
    assert all(np.count_nonzero(image) == 1 for image in shifted)
    assert places == {(a, b) for a in (-3, 0, 3) for b in (-3, 0, 3) if a or b}


def test_noise_has_the_deviation_that_it_is_named_after() -> None:
    grey = np.full((50, 28, 28), 128, np.uint8)
    noise = corrupt(grey, "noise", 32).astype(float) - 128
    assert noise.std() == pytest.approx(32, rel=0.02)
    assert noise.mean() == pytest.approx(0, abs=0.7)
    # A fraction of 0.046 of a normal variable lies beyond two deviations.
    assert (np.abs(noise) > 64).mean() == pytest.approx(0.046, abs=0.005)


def test_a_blur_spreads_a_point_by_binomial_weights() -> None:
    blurred = corrupt(a_point(), "blur", 1)[0]
    around = blurred[CENTRE - 1 : CENTRE + 2, CENTRE - 1 : CENTRE + 2]
    assert around.tolist() == [[15, 30, 15], [30, 60, 30], [15, 30, 15]]
    assert blurred.sum() == 240
    flat = np.full((1, 28, 28), 77, np.uint8)
    inner = corrupt(flat, "blur", 8)[0, 8:-8, 8:-8]
    assert set(inner.ravel().tolist()) == {77}


def test_a_square_is_blackened_and_covers_the_smaller_one_of_the_same_image() -> None:
    white = np.full((200, 28, 28), 255, np.uint8)
    for image in corrupt(white, "occlusion", 5):
        rows, columns = np.nonzero(image == 0)
        assert len(rows) == 25
        assert rows.max() - rows.min() == columns.max() - columns.min() == 4
    tops = [np.nonzero(image == 0)[0].min() for image in corrupt(white, "occlusion", 5)]
    assert {0, 28 - 5} <= set(tops)


def test_contrast_shrinks_distances_from_the_mean() -> None:
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, :, 14:] = 200
    pale = corrupt(image, "contrast", 60)
    assert np.unique(pale).tolist() == [60, 140]
    assert np.unique(corrupt(image, "contrast", 100)).tolist() == [100]
