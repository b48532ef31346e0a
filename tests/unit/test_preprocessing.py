"""Pictures converted to the format of Fashion-MNIST."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashionbench.errors import DataError
from fashionbench.serving.preprocessing import read_picture

ARTICLE = np.zeros((28, 28), np.uint8)
ARTICLE[8:20, 10:18] = 200


def saved(image: Image.Image, path: Path) -> Path:
    image.save(path)
    return path


def test_an_image_of_the_data_set_is_taken_as_it_is(tmp_path: Path) -> None:
    picture = read_picture(saved(Image.fromarray(ARTICLE), tmp_path / "article.png"))
    np.testing.assert_array_equal(picture.pixels, ARTICLE)
    assert picture.pixels.dtype == np.uint8
    assert picture.changes == ()


def test_a_photograph_is_made_like_the_data_set(tmp_path: Path) -> None:
    image = Image.new("RGB", (280, 560), (250, 250, 250))
    image.paste((20, 30, 40), (80, 140, 220, 420))
    picture = read_picture(saved(image, tmp_path / "photograph.jpg"))
    assert picture.changes == (
        "made grey",
        "inverted",
        "padded to a square",
        "resized from 560 x 560",
    )
    assert picture.pixels.shape == (28, 28)
    # The article lies in the middle, light on black, and keeps its proportions of 1 to 2.
    light = picture.pixels > 128
    assert picture.pixels[0].max() < 20
    assert light.any(axis=0).sum() == 7
    assert light.any(axis=1).sum() == 14


def test_a_transparent_background_counts_as_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (28, 28), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (10, 8, 18, 20))
    picture = read_picture(saved(image, tmp_path / "cut.png"))
    assert picture.changes == ("put on white", "made grey", "inverted")
    np.testing.assert_array_equal(picture.pixels > 128, ARTICLE > 128)


@pytest.mark.parametrize("mode", ["1", "P", "CMYK", "I;16"])
def test_any_mode_of_a_file_is_read(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(np.where(ARTICLE, 255, 0).astype(np.uint8))
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    else:
        image = image.convert(mode)
    name = "article.jpg" if mode == "CMYK" else "article.png"
    picture = read_picture(saved(image, tmp_path / name))
    np.testing.assert_array_equal(picture.pixels > 128, ARTICLE > 128)


def test_a_picture_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # To be turned by a quarter to the right.
    Image.fromarray(ARTICLE).save(tmp_path / "turned.jpg", exif=exif)
    picture = read_picture(tmp_path / "turned.jpg")
    np.testing.assert_array_equal(picture.pixels > 100, np.rot90(ARTICLE, -1) > 100)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "does not exist; name a PNG or JPEG image"),
        (b"", "is neither a PNG nor a JPEG image"),
        (b"GIF89a" + bytes(50), "is neither a PNG nor a JPEG image"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "article.png "),
    ],
)
def test_what_is_no_picture_is_named(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    path = tmp_path / "article.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=complaint):
        read_picture(path)


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    path = saved(Image.effect_noise((64, 64), 50), tmp_path / "article.png")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"cannot be read .* is it damaged"):
        read_picture(path)


def test_a_picture_that_claims_to_be_huge_is_refused(tmp_path: Path) -> None:
    path = saved(Image.new("1", (11_000, 10_000)), tmp_path / "huge.png")
    with pytest.raises(DataError, match=r"cannot be read .Image size"):
        read_picture(path)
