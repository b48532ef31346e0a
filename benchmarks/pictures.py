"""Measure how well photographs of articles are recognised: python benchmarks/pictures.py.

The official test images, enlarged, are put on a ground of 280 x 280 pixels: at several sizes, on
white, grey and black, away from the middle, and with a soft shadow where the ground is not black.
What a network then says is held against what it says of the images themselves. The table goes to
docs/pictures.md.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image, ImageOps
from scipy import ndimage

from fashionbench.data.splits import Split, load_split
from fashionbench.evaluation.selection import best_seed
from fashionbench.params import load_params
from fashionbench.paths import network_table, split_file, weights_file
from fashionbench.pipeline.machine import available_cores
from fashionbench.serving import Classifier
from fashionbench.serving.preprocessing import to_fashion_mnist

PAGE = Path("docs/pictures.md")
BLOCK = re.compile(r"(<!-- begin sizes: .*? -->\n).*?(<!-- end sizes -->)", flags=re.S)
GROUND_SIDE = 280
GROUNDS = {"white": 255, "grey": 128, "black": 0}
SIZES = (1.0, 0.8, 0.5, 0.4, 0.3)
_SHADOW = 0.3
"""The share of light that the middle of a shadow lacks."""
_SHADOW_BLUR = 0.05
_SHADOW_SHIFT = (0.06, 0.04)
"""In lengths of the article's side."""
_FAINTEST = 20
"""Grey values above which a pixel of the data set is the article."""
_AT_ONCE = 250
"""Images that a process converts before it takes the next ones."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Scene:
    """How an article is photographed: ``size`` is its share of the picture's side."""

    size: float
    ground: str

    def photograph(self, image: Pixels, generator: np.random.Generator) -> Image.Image:
        """Return a picture of an image of the data set, in mode L."""
        side = round(GROUND_SIDE * self.size)
        free = GROUND_SIDE - side
        place = [int(free * generator.uniform(0.1, 0.9)) for _ in range(2)]
        article = _placed(image, side, place)
        level = GROUNDS[self.ground]
        if not level:
            return Image.fromarray(article.astype(np.uint8))
        outline = 255 * ndimage.binary_fill_holes(image > _FAINTEST).astype(np.uint8)
        moved = [at + round(part * side) for at, part in zip(place, _SHADOW_SHIFT, strict=True)]
        soft = ndimage.gaussian_filter(_placed(outline, side, moved), _SHADOW_BLUR * side) / 255
        # The article itself lies in no shadow.
        shade = 1 - _SHADOW * soft * (1 - _placed(outline, side, place) / 255)
        # The data set shows negatives, so that ink on the ground is what was photographed.
        light = level * shade * (1 - article / 255)
        return Image.fromarray(light.clip(0, 255).astype(np.uint8))


def _placed(image: Pixels, side: int, place: Sequence[int]) -> npt.NDArray[np.float32]:
    """Return an image enlarged to ``side`` on a black ground, cut off where that ends."""
    large = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))
    ground = np.zeros((GROUND_SIDE, GROUND_SIDE), np.float32)
    top, left = place
    part = ground[top : top + side, left : left + side]
    part[:] = large[: part.shape[0], : part.shape[1]]
    return ground


def whole(picture: Image.Image) -> Pixels:
    """Convert a picture without looking for the article in it."""
    pixels = np.asarray(picture)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    if np.median(border) > 127:
        picture = ImageOps.invert(picture)
    return np.asarray(picture.resize((28, 28), Image.Resampling.LANCZOS))


def framed(picture: Image.Image) -> Pixels:
    """Convert a picture as ``fashionbench predict`` does."""
    return to_fashion_mnist(picture).pixels


def accuracy(classifier: Classifier, images: Pixels, labels: npt.NDArray[np.uint8]) -> float:
    """Return the share of images whose likeliest class is their label."""
    return float(np.mean(classifier.probabilities(images).argmax(axis=1) == labels))


def convert(scene: Scene, images: Pixels, first: int) -> tuple[Pixels, ...]:
    """Photograph images, and convert each photograph in both ways; ``first`` is their number."""
    generator = np.random.default_rng(first)
    pictures = [scene.photograph(image, generator) for image in images]
    both = ([conversion(picture) for picture in pictures] for conversion in (whole, framed))
    return tuple(np.stack(images) for images in both)


def rows(classifier: Classifier, split: Split, workers: Executor) -> Iterator[str]:
    """Yield the lines of the table, one per scene, in Markdown."""
    as_they_are = accuracy(classifier, split.images, split.labels)
    yield "| Size | Ground | Whole picture % | Framed % | less the originals |"
    yield "|---:|---|---:|---:|---:|"
    yield f"| 28 x 28 | the images themselves | | {100 * as_they_are:.1f} | |"
    starts = range(0, len(split), _AT_ONCE)
    parts = [split.images[start : start + _AT_ONCE] for start in starts]
    for scene in [Scene(size, ground) for size in SIZES for ground in GROUNDS]:
        converted = list(workers.map(partial(convert, scene), parts, starts))
        found = [
            accuracy(classifier, np.concatenate(images), split.labels)
            for images in zip(*converted, strict=True)
        ]
        difference = 100 * (found[1] - as_they_are)
        shadow = "" if scene.ground == "black" else ", shadow"
        yield (
            f"| {scene.size:.0%} | {scene.ground}{shadow} | {100 * found[0]:.1f} "
            f"| {100 * found[1]:.1f} | {difference:+.1f} |"
        )


def best_replicate(network: str) -> int:
    """Return the seed with the best validation accuracy."""
    scores = pd.read_csv(network_table(network, "scores"))
    val = scores[scores["split"] == "val"]
    return best_seed(dict(zip(val["seed"], val["accuracy"], strict=True)))


def main() -> None:
    """Print the table, and with all images write it into docs/pictures.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="n8_conv")
    parser.add_argument("--images", type=int, help="only so many, and the page stays as it is")
    parsed = parser.parse_args()
    params = load_params()
    seed = best_replicate(parsed.network)
    weights = weights_file(parsed.network, seed)
    classifier = Classifier(params.network(parsed.network), weights, params.precision)
    split = load_split(split_file("test"))
    if parsed.images:
        split = split.take(np.arange(parsed.images))
    lines = [f"{len(split):,} test images, {parsed.network} seed {seed}:", ""]
    with ProcessPoolExecutor(available_cores(), get_context("spawn")) as workers:
        for line in rows(classifier, split, workers):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
            lines.append(line)
    if not parsed.images:
        table = "\n".join(lines)
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(BLOCK.sub(rf"\g<1>{table}\n\g<2>", text), encoding="utf-8")


if __name__ == "__main__":
    main()
