"""The article found in pictures of many kinds: the image of the data set comes back from each."""

import numpy as np
import numpy.typing as npt
import pytest
from pictures import (
    ANOTHER,
    KINDS,
    Photograph,
    Scene,
    beside,
    cut_out,
    framed,
    shaped,
    shrunk,
    small,
    two,
    two_sides,
)
from PIL import Image
from scipy import ndimage

from fashionbench.data.examples import Examples
from fashionbench.errors import DataError
from fashionbench.serving.preprocessing import Picture, to_fashion_mnist

Pixels = npt.NDArray[np.uint8]
DOUBTFUL = (
    ANOTHER,
    "a round picture on a page",
    "one darker, one lighter than the background",
)
FOUND = {
    (kind, name): scene
    for kind in ("plain", "cut out", "frame", "two tones", "second thing")
    for name, scene in KINDS[kind].items()
    if name not in DOUBTFUL
}


def pictures_of(scene: Scene, images: Pixels, number: int = 12) -> list[Picture]:
    """Convert pictures of a scene of the first images."""
    generator = np.random.default_rng(0)
    return [to_fashion_mnist(scene(image, generator)) for image in images[:number]]


def keeps_outlines(scene: Scene, images: Pixels, number: int = 12) -> list[Picture]:
    """Convert pictures of a scene, most of which share their outlines with their images."""
    pictures = pictures_of(scene, images, number)
    found = np.stack([picture.pixels for picture in pictures]) > 20
    there = images[: len(found)] > 20
    shares = (found & there).sum(axis=(1, 2)) / (found | there).sum(axis=(1, 2))
    assert np.median(shares) > 0.75
    return pictures


@pytest.fixture
def images(test_examples: Examples) -> Pixels:
    """Images whose longer side fills all 28 pixels, as that of a framed one does."""
    pixels = test_examples.images.numpy()
    filled = [max(np.ptp(np.argwhere(image > 20), axis=0)) == 27 for image in pixels]
    return np.asarray(pixels[filled], np.uint8)


@pytest.mark.parametrize(("kind", "name"), FOUND)
def test_an_article_keeps_its_outline_in_pictures_of_all_kinds(
    images: Pixels, kind: str, name: str
) -> None:
    keeps_outlines(FOUND[kind, name], images)


@pytest.mark.parametrize("lightest", [60, 160, 225, 255])
@pytest.mark.parametrize("span", [0, 5, 60])
def test_the_alpha_channel_is_the_outline_whatever_the_tones(
    images: Pixels, lightest: int, span: int
) -> None:
    found = keeps_outlines(cut_out(lightest - span, lightest), images)
    on = {change for picture in found for change in picture.changes if "put on" in change}
    if lightest > 200 and span < 60:
        assert on == {"put on black"}
    if lightest < 100:
        assert on == {"put on white"}


@pytest.mark.parametrize("level", [0, 128, 200])
@pytest.mark.parametrize("width", [1, 3, (90, 0), (0, 60), (10, 10, 10, 50), (0, 30, 0, 0)])
@pytest.mark.parametrize("quality", [0, 50])
def test_frames_of_any_tone_and_width_go_first(
    images: Pixels, level: int, width: int | tuple[int, ...], quality: int
) -> None:
    plain = pictures_of(Photograph(0.7), images, 4)
    found = pictures_of(framed((width, level), inside=Photograph(0.7), quality=quality), images, 4)
    for picture, without in zip(found, plain, strict=True):
        assert np.abs(picture.pixels.astype(int) - without.pixels).mean() < 12


@pytest.mark.parametrize("scene", [two_sides, shaped(0.5, page=0), shaped(0, 10, page=255)])
def test_what_is_left_out_and_a_picture_in_a_picture_have_a_caution(
    images: Pixels, scene: Scene
) -> None:
    assert all(picture.warnings for picture in pictures_of(scene, images))


def test_tones_that_change_gently_and_meet_aslant_have_a_caution(images: Pixels) -> None:
    down, across = np.mgrid[:280, :280]
    wall = 250 - 60 * down / 280
    level = np.where(down - 0.2 * (across - 140) < 182, wall, wall - 50).astype(np.float32)
    found = pictures_of(Photograph(0.6, level), images)
    assert np.mean([bool(picture.warnings) for picture in found]) > 0.8


@pytest.mark.parametrize("level", [255.0, 180.0, 128.0, 0.0])
def test_a_photograph_in_the_size_of_the_data_set_is_framed_too(
    images: Pixels, level: float
) -> None:
    keeps_outlines(shrunk(level), images)


@pytest.mark.parametrize("tone", [0, 128, 255])
@pytest.mark.parametrize("size", [(28, 28), (1, 1), (1, 300), (300, 2), (3, 3)])
def test_a_blank_picture_is_refused(size: tuple[int, int], tone: int) -> None:
    with pytest.raises(DataError, match="nothing but a plain background"):
        to_fashion_mnist(Image.new("L", size, tone))


def test_a_framed_photograph_that_throws_a_shadow_has_a_caution(images: Pixels) -> None:
    generator = np.random.default_rng(0)
    for framed_picture in (framed((10, 30))(image, generator) for image in images[:4]):
        ground = np.full((380, 380), 245, np.float32)
        ground[50:350, 50:350] -= 90
        ground = ndimage.gaussian_filter(ground, 6)
        ground[40:340, 40:340] = np.asarray(framed_picture)
        picture = to_fashion_mnist(Image.fromarray(ground.astype(np.uint8)))
        assert any("corners of a photograph" in warning for warning in picture.warnings)


def test_an_article_with_corners_is_no_frame() -> None:
    image = Image.new("L", (300, 300), 250)
    image.paste(60, (60, 80, 240, 220))
    assert "cropped to 180 x 140" in to_fashion_mnist(image).changes


@pytest.mark.parametrize(("first", "second"), [(250, 90), (240, 215), (150, 100), (120, 230)])
@pytest.mark.parametrize("slant", [0.0, 0.1, 0.5, 2.0])
def test_two_tones_are_background_wherever_they_meet(
    images: Pixels, first: int, second: int, slant: float
) -> None:
    down, across = np.mgrid[:280, :280]
    level = np.where(down + slant * (across - 140) < 180, first, second).astype(np.float32)
    keeps_outlines(Photograph(0.6, level), images, 6)
    noisy = level + np.random.default_rng(0).normal(0, 4, level.shape).astype(np.float32)
    keeps_outlines(Photograph(0.6, noisy), images, 6)


@pytest.mark.parametrize(
    "level",
    [
        np.linspace(250, 150, 280)[:, None] + np.zeros((1, 280)),
        np.linspace(120, 250, 280)[None] + np.zeros((280, 1)),
        240 - 100 * np.hypot(*(np.mgrid[-1:1:280j, -1:1:280j])) ** 2 / 2,
    ],
)
def test_a_background_may_change_gently(images: Pixels, level: npt.NDArray[np.float64]) -> None:
    found = keeps_outlines(Photograph(0.5, level.astype(np.float32)), images, 8)
    assert not any(picture.warnings for picture in found)


@pytest.mark.parametrize("size", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("mark", ["", "SALE", "www"])
def test_a_mark_in_the_corner_moves_no_frame(images: Pixels, size: float, mark: str) -> None:
    keeps_outlines(beside(mark, size), images, 8)


def test_a_pair_is_one_thing_and_two_things_are_said(images: Pixels) -> None:
    assert not any(picture.warnings for picture in pictures_of(two, images))
    shoe, dress = (_closest(images, wide) for wide in (2.0, 0.5))
    both = to_fashion_mnist(two(shoe, np.random.default_rng(0), dress))
    assert both.warnings == (
        "it shows several things, of which the one nearest the middle was taken",
    )


def _closest(images: Pixels, wide: float) -> Pixels:
    """Return the image whose article has a width closest to so many heights."""
    ratios = [np.divide(*(np.ptp(np.argwhere(image > 20), axis=0) + 1)[::-1]) for image in images]
    return np.asarray(images[int(np.argmin(np.abs(np.log(ratios) - np.log(wide))))])


@pytest.mark.parametrize("side", [5, 9, 13])
def test_too_small_a_picture_has_a_caution_or_is_refused(images: Pixels, side: int) -> None:
    generator = np.random.default_rng(0)
    assert all(_is_doubted(small(side)(image, generator)) for image in images[:30])


def _is_doubted(picture: Image.Image) -> bool:
    try:
        return bool(to_fashion_mnist(picture).warnings)
    except DataError:
        return True


@pytest.mark.parametrize("size", [(1, 300), (300, 2), (3, 3)])
def test_a_picture_of_a_few_pixels_has_a_caution(size: tuple[int, int]) -> None:
    picture = Image.new("L", size, 250)
    picture.putpixel((0, 0), 10)
    assert to_fashion_mnist(picture).warnings


def test_a_small_article_in_a_picture_of_the_right_size_has_a_caution() -> None:
    image = Image.new("L", (28, 28))
    image.paste(200, (10, 10, 15, 15))
    (warning,) = to_fashion_mnist(image).warnings
    assert warning.startswith("the article is only 5 x 5 pixels large")


def test_an_article_at_all_edges_is_said() -> None:
    pixels = np.full((280, 280), 250, np.uint8)
    pixels[:, 100:180] = pixels[100:180] = 30
    (warning,) = to_fashion_mnist(Image.fromarray(pixels)).warnings
    assert warning.startswith("the article touches all edges")
