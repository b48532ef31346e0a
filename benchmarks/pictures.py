"""Measure how well pictures of articles are recognised: python benchmarks/pictures.py.

The official test images are made into pictures as people have them: photographs on backgrounds of
one tone or two, cut-outs, pictures in frames, with a logo or another article, and small ones. What
networks say of these is held against what they say of the images themselves. The table goes to
docs/pictures.md.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from itertools import chain
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageOps
from scipy import ndimage

from fashionbench.data.splits import Split, load_split
from fashionbench.errors import DataError
from fashionbench.params import load_params
from fashionbench.paths import champion_file, split_file
from fashionbench.pipeline.machine import available_cores
from fashionbench.serving import Classifier
from fashionbench.serving.preprocessing import to_fashion_mnist

PAGE = Path("docs/pictures.md")
BLOCK = re.compile(r"(<!-- begin kinds: .*? -->\n).*?(<!-- end kinds -->)", flags=re.S)
NETWORKS = ("n5_batch_norm", "n8_conv")
IMAGES = 200
SIDE = 280
"""Pixels of a picture's sides, without its frame."""
_SHADOW = 0.3
"""The share of light that the middle of a shadow lacks."""
_SHADOW_BLUR = 0.05
_SHADOW_SHIFT = (0.06, 0.04)
"""In lengths of the article's side."""
_FAINTEST = 20
"""Grey values above which a pixel of the data set is the article."""
_AT_ONCE = 50
"""Images that a process converts before it takes the next ones."""

Pixels = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float32]
Scene = Callable[[Pixels, np.random.Generator], Image.Image]
"""Makes a picture of an image of the data set."""


@dataclass(frozen=True)
class Photograph:
    """An article on a background of ``level``, away from the middle; ``size`` is its share of it.

    ``level`` is one grey value or (height, width) of them. Where it is not black, the article is
    ink on it, since the data set shows negatives, and may throw a soft shadow.
    """

    size: float = 0.6
    level: float | Values = 255.0
    has_shadow: bool = False

    def __call__(self, image: Pixels, generator: np.random.Generator) -> Image.Image:
        """Return the photograph, in mode L."""
        side = round(SIDE * self.size)
        place = [int((SIDE - side) * generator.uniform(0.1, 0.9)) for _ in range(2)]
        article = _placed(image, side, place)
        if np.max(self.level) == 0:
            return _image(article)
        light = self.level * (1 - article / 255)
        if self.has_shadow:
            outline = _outline(image)
            moved = [at + round(part * side) for at, part in zip(place, _SHADOW_SHIFT, strict=True)]
            soft = ndimage.gaussian_filter(_placed(outline, side, moved), _SHADOW_BLUR * side) / 255
            # The article itself lies in no shadow.
            light = light * (1 - _SHADOW * soft * (1 - _placed(outline, side, place) / 255))
        return _image(light)


def cut_out(darkest: int, lightest: int, shadow: float = 0, **file: str | int) -> Scene:
    """Return a scene of ink from ``lightest`` to ``darkest``, with its outline as alpha channel.

    ``file`` is a format, and its options, to write it in and to read it from.
    """

    def scene(image: Pixels, _: np.random.Generator) -> Image.Image:
        side, place = SIDE * 3 // 4, (30, 40)
        ink, alpha = (_placed(part, side, place) / 255 for part in (image, _outline(image)))
        tone = (lightest - (lightest - darkest) * ink).clip(0, 255)
        soft = shadow * ndimage.gaussian_filter(alpha, 8) * (1 - alpha)
        opacity = alpha + soft
        # A shadow is black.
        tone = np.divide(tone * alpha, opacity, out=np.zeros_like(tone), where=opacity > 0)
        picture = Image.merge("LA", (_image(tone), _image(255 * opacity)))
        return _reopened(picture.convert("RGBA"), **file) if file else picture

    return scene


def shaped(radius: float, turn: float = 0, page: int | None = None) -> Scene:
    """Return a scene of a photograph on grey in a transparent shape, or on a ``page`` of one tone.

    The corners have a ``radius`` in lengths of a side: one half makes a circle. ``turn`` is in
    degrees.
    """

    def scene(image: Pixels, generator: np.random.Generator) -> Image.Image:
        whole = Image.new("L", (SIDE + 80, SIDE + 80), 225)
        whole.paste(Photograph(0.5, 225.0)(image, generator), (40, 40))
        shape = Image.new("L", whole.size)
        corners = radius * whole.width
        ImageDraw.Draw(shape).rounded_rectangle((0, 0, *whole.size), corners, fill=255)
        turned = Image.merge("LA", (whole, shape)).rotate(turn, _BICUBIC, expand=True)
        if page is None:
            return turned
        on_page = Image.new("L", (turned.width + 40, turned.height + 40), page)
        on_page.paste(turned.getchannel("L"), (20, 20), turned.getchannel("A"))
        return on_page

    return scene


def in_a_line(image: Pixels, generator: np.random.Generator) -> Image.Image:
    """Return a photograph with a line around the article, a little away from the edges."""
    picture = Photograph(0.6)(image, generator)
    inset = SIDE // 28
    ImageDraw.Draw(picture).rectangle(
        (inset, inset, SIDE - inset, SIDE - inset), outline=40, width=2
    )
    return picture


def framed(
    *frames: tuple[int | tuple[int, ...], int], inside: Photograph | None = None, quality: int = 0
) -> Scene:
    """Return a scene in frames, the innermost first, as ImageOps.expand takes them: border, level.

    With a ``quality`` it is a JPEG file.
    """

    def scene(image: Pixels, generator: np.random.Generator) -> Image.Image:
        picture = (inside or Photograph())(image, generator)
        for border, level in frames:
            picture = ImageOps.expand(picture, border, level)
        return _reopened(picture, format="JPEG", quality=quality) if quality else picture

    return scene


def beside(mark: str, size: float = 0.6) -> Scene:
    """Return a scene with a logo or a line of text in a corner."""

    def scene(image: Pixels, generator: np.random.Generator) -> Image.Image:
        picture = Photograph(size)(image, generator)
        draw = ImageDraw.Draw(picture)
        if mark:
            draw.text((8, SIDE - 30), mark, fill=30, font_size=22)
        else:
            draw.rectangle((SIDE - 42, SIDE - 28, SIDE - 7, SIDE - 7), fill=30)
        return picture

    return scene


def two(image: Pixels, generator: np.random.Generator, other: Pixels | None = None) -> Image.Image:
    """Return a picture of a pair, or of an article and an ``other`` one to the right of it."""
    side = SIDE * 2 // 5
    left, right = (
        _placed(part, side, (80, at))
        for part, at in ((image, 20), (image if other is None else other, 150))
    )
    return _image(255 - left - right)


def two_sides(image: Pixels, generator: np.random.Generator) -> Image.Image:
    """Return a pair on grey, the left one darker and the right one lighter than that."""
    side = SIDE * 2 // 5
    left, right = (_placed(image, side, (80, at)) for at in (20, 150))
    return _image(128 - left / 2 + right / 2)


def shrunk(level: float) -> Scene:
    """Return a scene of a photograph on a background, in the size of the data set's images."""

    def scene(image: Pixels, generator: np.random.Generator) -> Image.Image:
        return Photograph(0.75, level)(image, generator).resize((28, 28), _BOX)

    return scene


def small(side: int) -> Scene:
    """Return a scene of ``side`` by ``side`` pixels."""

    def scene(image: Pixels, _: np.random.Generator) -> Image.Image:
        return _image(255 - np.asarray(Image.fromarray(image).resize((side, side), _BOX)))

    return scene


def carpet(image: Pixels, generator: np.random.Generator) -> Image.Image:
    """Return a photograph on a busy background."""
    tiles = generator.integers(0, 256, (28, 28)).repeat(10, 0).repeat(10, 1)
    return Photograph(0.6, tiles.astype(np.float32))(image, generator)


def _placed(image: Pixels, side: int, place: Sequence[int]) -> Values:
    """Return an image enlarged to ``side`` on a black picture, cut off where that ends."""
    large = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))
    picture = np.zeros((SIDE, SIDE), np.float32)
    top, left = place
    part = picture[top : top + side, left : left + side]
    part[:] = large[: part.shape[0], : part.shape[1]]
    return picture


def _outline(image: Pixels) -> Pixels:
    return 255 * np.asarray(ndimage.binary_fill_holes(image > _FAINTEST), np.uint8)


def _image(values: npt.NDArray[np.floating]) -> Image.Image:
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def _reopened(picture: Image.Image, **file: str | int) -> Image.Image:
    content = BytesIO()
    picture.save(content, **file)  # type: ignore[arg-type]
    return Image.open(content)


_BOX, _BICUBIC = Image.Resampling.BOX, Image.Resampling.BICUBIC
_DOWN, _ACROSS = np.mgrid[:SIDE, :SIDE].astype(np.float32)


def _wall(wall: int, floor: int, slant: float = 0) -> Values:
    is_wall = _DOWN - slant * (_ACROSS - SIDE / 2) < 0.65 * SIDE
    return np.where(is_wall, wall, floor).astype(np.float32)


ANOTHER = "two different articles"
"""The picture that needs an image besides the one it shows."""
KINDS: dict[str, dict[str, Scene]] = {
    "plain": {
        f"{size:.0%}, {name}": Photograph(size, level, has_shadow=level > 0)
        for size in (1.0, 0.5, 0.3)
        for name, level in (("white, shadow", 255.0), ("grey, shadow", 128.0), ("black", 0.0))
    },
    "cut out": {
        "grey values 0 to 255": cut_out(0, 255),
        "200 to 255": cut_out(200, 255),
        "240 to 255": cut_out(240, 255),
        "250 to 255": cut_out(250, 255),
        "0 to 60": cut_out(0, 60),
        "240 to 255, a soft shadow": cut_out(240, 255, 0.4),
        "240 to 255, GIF": cut_out(240, 255, format="GIF"),
        "240 to 255, lossy WebP": cut_out(240, 255, format="WEBP", quality=50, alpha_quality=30),
        "a photograph in a circle": shaped(0.5),
        "a photograph with round corners": shaped(0.3),
        "a photograph, turned by 3 degrees": shaped(0, 3),
    },
    "frame": {
        "one black pixel": framed((1, 0)),
        "one black pixel, JPEG": framed((1, 0), quality=60),
        "three grey pixels, article of 100%": framed((3, 128), inside=Photograph(1.0)),
        "bars to 16:9": framed(((109, 0), 0)),
        "bars to 9:16": framed(((0, 109), 0)),
        "Polaroid": framed(((14, 14, 14, 60), 250), inside=Photograph(level=220.0)),
        "a line, set in from the edge": in_a_line,
        "a round picture on a page": shaped(0.5, page=0),
        "three, one in another": framed((2, 60), (20, 200), (1, 0)),
    },
    "two tones": {
        "225 over 175": Photograph(level=_wall(225, 175)),
        "240 over 215": Photograph(level=_wall(240, 215)),
        "225 beside 175": Photograph(level=_wall(225, 175).T),
        "225 over 175, slanted": Photograph(level=_wall(225, 175, 0.2)),
        "225 over 175, in a frame": framed((4, 0), inside=Photograph(level=_wall(225, 175))),
        "230 over 160, blurred": Photograph(level=ndimage.gaussian_filter(_wall(230, 160), 8)),
        "from 250 to 170": Photograph(level=250 - 80 * _DOWN / SIDE),
    },
    "second thing": {
        "a logo": beside(""),
        "a logo, article of 30%": beside("", 0.3),
        "text": beside("SALE 50%"),
        "a pair": two,
        "one darker, one lighter than the background": two_sides,
        ANOTHER: two,
    },
    "busy background": {"random tiles": carpet},
    "small": {f"{side} x {side} pixels": small(side) for side in (5, 9, 13, 20)}
    | {
        f"28 x 28 pixels on {tone}": shrunk(level)
        for tone, level in (("white", 255.0), ("grey", 180.0), ("black", 0.0))
    },
}


def convert(kind: str, name: str, images: Pixels, first: int) -> list[tuple[Pixels, bool]]:
    """Make pictures, and convert them as ``fashionbench predict`` does.

    Return each image (28, 28) with whether there was a caution. ``first`` is the number of the
    first image. A refused picture becomes black.
    """
    generator = np.random.default_rng(first)
    scene, found = KINDS[kind][name], []
    for number, image in enumerate(images):
        if name == ANOTHER:
            scene = partial(two, other=images[number - 1])
        try:
            picture = to_fashion_mnist(scene(image, generator))
            found.append((picture.pixels, bool(picture.warnings)))
        except DataError:
            found.append((np.zeros((28, 28), np.uint8), True))
    return found


def rows(classifiers: dict[str, Classifier], split: Split, workers: Executor) -> Iterator[str]:
    """Yield the lines of the table, one per picture, in Markdown."""

    def right(pixels: Pixels) -> npt.NDArray[np.bool_]:
        """Return (networks, n): whether the likeliest class is the label."""
        answers = [one.probabilities(pixels).argmax(axis=1) for one in classifiers.values()]
        return np.asarray(np.stack(answers) == split.labels)

    def percents(answers: npt.NDArray[np.bool_]) -> str:
        return " | ".join(f"{100 * share:.1f}" for share in answers.mean(axis=1))

    names = " | ".join(f"{name} %" for name in classifiers)
    yield f"| Kind | Picture | {names} | Of the wrong, with a caution % |"
    yield f"|---|---|{'---:|' * len(classifiers)}---:|"
    yield f"| the images themselves | | {percents(right(split.images))} | |"
    starts = range(0, len(split), _AT_ONCE)
    parts = [split.images[start : start + _AT_ONCE] for start in starts]
    for kind, name in [(kind, name) for kind, scenes in KINDS.items() for name in scenes]:
        converted = chain.from_iterable(workers.map(partial(convert, kind, name), parts, starts))
        pixels, warned = zip(*converted, strict=True)
        answers = right(np.stack(pixels))
        said = np.broadcast_to(warned, answers.shape)[~answers]
        share = 100 * said.mean() if len(said) else 100
        yield f"| {kind} | {name} | {percents(answers)} | {share:.0f} |"


def main() -> None:
    """Print the table, and write it into docs/pictures.md unless ``--images`` is given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, help="so many, and the page stays as it is")
    parsed = parser.parse_args()
    params = load_params()
    served = (params.precision, params.dataset.classes)
    classifiers = {
        network: Classifier(params.network(network), champion_file(network), *served)
        for network in NETWORKS
    }
    split = load_split(split_file("test")).take(np.arange(parsed.images or IMAGES))
    lines = [
        f"The first {len(split):,} test images; the best seeds of {' and '.join(classifiers)}, "
        f"trained for {params.num_epochs} epochs on {params.train_size:,} images:",
        "",
    ]
    with ProcessPoolExecutor(available_cores(), get_context("spawn")) as workers:
        for line in rows(classifiers, split, workers):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
            lines.append(line)
    if not parsed.images:
        table = "\n".join(lines)
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(BLOCK.sub(rf"\g<1>{table}\n\g<2>", text), encoding="utf-8")


if __name__ == "__main__":
    main()
