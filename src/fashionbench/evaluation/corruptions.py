"""Corrupted images: the same for every network and replicate, and on every processor.

The kinds are among those of Hendrycks and Dietterich, Benchmarking neural network robustness to
common corruptions and perturbations (ICLR 2019), made for small images with a black background.
Lengths are in pixels of an image whose shorter side has MADE_FOR; those of other images are in
proportion. Everything is computed in whole numbers, so that no bit depends on a library's
arithmetic. Images of one kind draw the same random numbers at every strength: a curve shows the
strength alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fashionbench.data.splits import Split

IMAGES = 1000
"""Of the test split, equally many of each class. n8_conv takes a minute of one core."""
CLEAN = ("none", 0)
"""The kind and strength of images as they are."""

MADE_FOR = 28
SEED = 20170825
"""Of the random numbers of all kinds; the day Fashion-MNIST was published."""

Images = npt.NDArray[np.uint8]
"""Of shape (n, height, width), or (n, height, width, 3)."""


@dataclass(frozen=True)
class Corruption:
    """A kind of corruption, and the strengths at which networks are scored, in ``unit``."""

    apply: Callable[[Images, int, np.random.Generator], Images]
    strengths: tuple[int, ...]
    unit: str


def part_of(split: Split, images: int = IMAGES) -> Split:
    """Return the first ``images / classes`` images of each class, or as many as there are."""
    labels = np.unique(split.labels)
    each = max(1, images // len(labels))
    places = [np.flatnonzero(split.labels == label)[:each] for label in labels]
    return split.take(np.sort(np.concatenate(places)))


def corrupt(images: Images, kind: str, strength: int) -> Images:
    """Corrupt images with a kind of CORRUPTIONS. Raises KeyError for another."""
    generator = np.random.default_rng([SEED, list(CORRUPTIONS).index(kind)])
    return CORRUPTIONS[kind].apply(images, strength, generator)


def _pixels(length: int, images: Images) -> int:
    """Return a length in pixels of images, at least one if it is any."""
    side = int(min(images.shape[1:3]))
    return max(int(length > 0), round(length * side / MADE_FOR))


def _padded(images: npt.NDArray[Any], margins: Sequence[int]) -> npt.NDArray[Any]:
    """Put black around images: so much above and below, and so much on the left and the right."""
    return np.pad(images, [(0, 0), *((one, one) for one in margins), *[(0, 0)] * (images.ndim - 3)])


def _shift(images: Images, length: int, generator: np.random.Generator) -> Images:
    """Move each image by ``length`` in one of eight directions; what comes in is black."""
    pixels = _pixels(length, images)
    directions = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right]
    drawn = generator.integers(len(directions), size=len(images))
    shifted = np.empty_like(images)
    margin = _padded(images, (pixels, pixels))
    height, width = images.shape[1:3]
    for number, (down, right) in enumerate(directions):
        top, left = pixels * (1 - down), pixels * (1 - right)
        chosen = drawn == number
        shifted[chosen] = margin[chosen, top : top + height, left : left + width]
    return shifted


def _add_noise(images: Images, deviation: int, generator: np.random.Generator) -> Images:
    """Add noise to each pixel: the sum of four random bytes, scaled, which is close to normal."""
    total = generator.integers(256, size=(4, *images.shape), dtype=np.uint8).sum(0, dtype=np.int64)
    # Such a sum has the mean 510, and the standard deviation 147.8: sqrt(4 * (256**2 - 1) / 12).
    noise = _divide((total - 510) * deviation * 10, 1478)
    noisy: Images = np.clip(images + noise, 0, 255).astype(np.uint8)
    return noisy


def _blur(images: Images, passes: int, generator: np.random.Generator) -> Images:
    """Average neighbours with weights 1, 2, 1 along rows and columns, ``passes`` times."""
    blurred = images.astype(np.int64)
    for _ in range(passes):
        for axis in (1, 2):
            padded = _padded(blurred, (int(axis == 1), int(axis == 2)))
            size = images.shape[axis]
            before, after = (padded.take(np.arange(size) + step, axis) for step in (0, 2))
            blurred = before + 2 * blurred + after
    return _divide(blurred, 16**passes).astype(np.uint8)


def _occlude(images: Images, length: int, generator: np.random.Generator) -> Images:
    """Blacken a square with sides of ``length``, anywhere in the image."""
    occluded, side = images.copy(), _pixels(length, images)
    height, width = images.shape[1:3]
    # Drawn for squares of one pixel, and moved inside: the place is the same for every side.
    tops, lefts = generator.integers((height, width), size=(len(images), 2)).T
    tops, lefts = tops * (height - side + 1) // height, lefts * (width - side + 1) // width
    for image, top, left in zip(occluded, tops, lefts, strict=True):
        image[top : top + side, left : left + side] = 0
    return occluded


def _reduce_contrast(images: Images, percent: int, _: np.random.Generator) -> Images:
    """Take away ``percent`` of each pixel's distance from the mean of its image."""
    pixels = images.astype(np.int64)
    axes = tuple(range(1, images.ndim))
    mean = _divide(pixels.sum(axes, keepdims=True), images[0].size)
    return _divide(pixels * (100 - percent) + mean * percent, 100).astype(np.uint8)


def _divide(numerator: npt.NDArray[np.int64], denominator: int) -> npt.NDArray[np.int64]:
    """Divide and round to the nearest whole number, halves up."""
    return (2 * numerator + denominator) // (2 * denominator)


CORRUPTIONS = {
    "shift": Corruption(_shift, (1, 2, 3, 4), "pixels"),
    "noise": Corruption(_add_noise, (16, 32, 48, 64), "grey levels, standard deviation"),
    "blur": Corruption(_blur, (1, 2, 4, 8), "passes of a 3x3 binomial filter"),
    "occlusion": Corruption(_occlude, (4, 8, 12, 16), "pixels, side of a black square"),
    "contrast": Corruption(_reduce_contrast, (20, 40, 60, 80), "% less"),
}
"""All kinds by name. The weakest of each is easily overlooked, the strongest is not."""
