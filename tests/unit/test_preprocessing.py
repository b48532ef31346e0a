"""Pictures converted to the format of Fashion-MNIST."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from fashionbench.data.examples import Examples
from fashionbench.errors import DataError
from fashionbench.serving.preprocessing import read_picture, to_fashion_mnist

ARTICLE = np.zeros((28, 28), np.uint8)
ARTICLE[1:27, 10:18] = 200
PHOTOGRAPH = Image.new("L", (280, 280), 250)
PHOTOGRAPH.paste(20, (80, 40, 200, 250))


def saved(image: Image.Image, path: Path) -> Path:
    image.save(path)
    return path


def test_a_photograph_is_made_like_the_data_set(tmp_path: Path) -> None:
    image = Image.new("RGB", (280, 560), (250, 250, 250))
    image.paste((20, 30, 40), (80, 140, 220, 420))
    picture = read_picture(saved(image, tmp_path / "photograph.jpg"))
    assert picture.changes == (
        "made grey",
        "inverted",
        "cropped to 140 x 280",
        "resized from 280 x 560",
    )
    assert picture.pixels.shape == (28, 28)
    # The article is light on black, fills the height, and keeps its proportions of 1 to 2.
    light = picture.pixels > 128
    assert light.any(axis=0).sum() == 14
    assert light.any(axis=1).sum() == 28
    assert not light[:, [0, 6, 21, 27]].any()


def test_no_image_of_the_data_set_is_changed(test_examples: Examples, tmp_path: Path) -> None:
    for image in test_examples.images.numpy():
        picture = read_picture(saved(Image.fromarray(image), tmp_path / "article.png"))
        np.testing.assert_array_equal(picture.pixels, image)
        assert picture.pixels.dtype == np.uint8
        assert picture.changes == ()
        assert picture.warnings == ()


def test_a_dark_article_on_grey_is_inverted_and_a_light_one_is_not() -> None:
    for level, is_inverted in ((40, True), (220, False)):
        image = Image.new("L", (200, 200), 110)
        image.paste(level, (50, 30, 150, 170))
        picture = to_fashion_mnist(image)
        assert ("inverted" in picture.changes) == is_inverted
        assert picture.pixels[14, 14] == 255
        assert picture.pixels[14, 0] == 0


def test_dust_and_noise_move_no_frame() -> None:
    generator = np.random.default_rng(0)
    pixels = np.full((400, 400), 235.0)
    pixels[100:300, 150:250] = 60
    pixels[5:8, 5:8] = 30
    noisy = (pixels + generator.normal(0, 6, pixels.shape)).clip(0, 255).astype(np.uint8)
    (cropped,) = [
        change for change in to_fashion_mnist(Image.fromarray(noisy)).changes if "cropped" in change
    ]
    width, height = (int(number) for number in cropped.split()[2::2])
    assert abs(width - 100) <= 4
    assert abs(height - 200) <= 4


def test_thin_lines_are_framed_too() -> None:
    image = Image.new("L", (1000, 1000), 255)
    image.paste(200, (400, 300, 401, 700))
    assert to_fashion_mnist(image).pixels.any()


def test_a_busy_background_is_said_and_not_cropped() -> None:
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (20, 20), np.uint8).repeat(20, 0).repeat(20, 1)
    picture = to_fashion_mnist(Image.fromarray(pixels))
    assert "not cropped, since its background is not plain" in picture.changes


def test_a_picture_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"white.png shows nothing but a plain background; name a"):
        read_picture(saved(Image.new("RGB", (300, 200), (250, 250, 250)), tmp_path / "white.png"))


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_a_transparent_background_counts_as_white(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGBA", (28, 28), (0, 200, 0, 0))
    image.paste("black", (10, 1, 18, 27))
    cut = image.quantize() if mode == "P" else image
    picture = read_picture(saved(cut, tmp_path / "cut.png"))
    assert picture.changes == ("put on white", "made grey", "inverted")
    np.testing.assert_array_equal(picture.pixels > 128, ARTICLE > 128)


@pytest.mark.parametrize("mode", ["1", "P", "CMYK"])
def test_any_mode_of_a_file_is_read(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(np.where(ARTICLE, 255, 0).astype(np.uint8)).convert(mode)
    name = "article.jpg" if mode == "CMYK" else "article.png"
    picture = read_picture(saved(image, tmp_path / name))
    np.testing.assert_array_equal(picture.pixels > 128, ARTICLE > 128)


def test_16_bits_give_the_picture_of_8(tmp_path: Path) -> None:
    image = np.linspace(0, 255, 28 * 28).astype(np.uint8).reshape(28, 28)
    image[[0, -1]] = image[:, [0, -1]] = 0
    for step in (1, 257):  # Some programs do not spread the 8 bits.
        deep = Image.fromarray(image.astype(np.uint16) * step)
        picture = read_picture(saved(deep, tmp_path / "deep.png"))
        np.testing.assert_array_equal(picture.pixels, image)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_its_camera_says(tmp_path: Path, orientation: int) -> None:
    image = np.full((40, 80), 250, np.uint8)
    image[5:20, 10:70] = 20
    image[20:35, 50:70] = 90
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(image).save(tmp_path / "turned.png", exif=exif)
    upright = ImageOps.exif_transpose(Image.open(tmp_path / "turned.png"))
    expected = to_fashion_mnist(Image.fromarray(np.asarray(upright)))
    picture = read_picture(tmp_path / "turned.png")
    assert np.abs(picture.pixels.astype(int) - expected.pixels).max() <= 1
    assert picture.changes[-1] == f"resized from {upright.width} x {upright.height}"


@pytest.mark.parametrize("name", ["moving.gif", "moving.png", "two.mpo", "a.webp", "a.avif"])
def test_the_first_frame_of_any_format_of_the_web_is_read(tmp_path: Path, name: str) -> None:
    first = Image.new("RGB", (90, 90), (250, 250, 250))
    first.paste((20, 20, 20), (30, 30, 60, 80))
    others = [Image.new("RGB", (90, 90))]
    first.save(tmp_path / name, save_all=True, append_images=others)
    picture = read_picture(tmp_path / name)
    assert picture.pixels[14, 14] > 240
    assert "inverted" in picture.changes


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"GIF89a" + bytes(50), "is damaged or cut off; copy or download it again"),
        (b"II*" + bytes(50), "is not a PNG, JPEG, WebP, AVIF, GIF or BMP image; convert it"),
        (b"\0\0\0\x18ftypheic" + bytes(50), "is a HEIC image, which is not one of PNG"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "article.png "),
        (b"RIFF$\0\0\0WEBPVP8L" + bytes(24), "article.png (cannot be read|is damaged)"),
    ],
)
def test_what_is_no_picture_is_named(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "article.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=complaint):
        read_picture(path)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("name", ["cut.png", "cut.jpg", "cut.bmp", "cut.gif"])
def test_what_is_left_of_a_cut_file_is_read_and_the_rest_is_said(
    tmp_path: Path, name: str, share: float
) -> None:
    path = saved(ImageOps.expand(Image.effect_noise((64, 64), 50), 4, 250), tmp_path / name)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    picture = read_picture(path)
    assert picture.pixels.any()
    assert "its file is cut off" in picture.warnings[0]


def test_a_jpeg_without_its_last_two_bytes_loses_nothing(tmp_path: Path) -> None:
    path = saved(PHOTOGRAPH, tmp_path / "cut.jpg")
    whole = read_picture(path)
    path.write_bytes(path.read_bytes()[:-2])
    cut = read_picture(path)
    np.testing.assert_array_equal(cut.pixels, whole.pixels)
    assert cut.warnings == ()
    assert cut.changes == ("read although its file is cut off", *whole.changes)


@pytest.mark.parametrize("kind", ["zTXt", "iTXt", "tEXt", "iCCP", "broken"])
def test_metadata_is_irrelevant_however_long_or_damaged(tmp_path: Path, kind: str) -> None:
    plain = read_picture(saved(PHOTOGRAPH, tmp_path / "plain.png"))
    text = PngImagePlugin.PngInfo()
    for number in range(80 if kind == "tEXt" else 1):
        if kind == "iTXt":
            text.add_itxt("comment", "x" * 3_000_000, zip=True)
        if kind in ("zTXt", "tEXt"):
            text.add_text(f"comment{number}", "x" * 3_000_000, zip=kind == "zTXt")
    profile = bytes(3_000_000) if kind == "iCCP" else None
    path = tmp_path / "long.png"
    PHOTOGRAPH.save(path, pnginfo=text, icc_profile=profile)
    if kind == "broken":
        content = path.read_bytes()
        path.write_bytes(content[:33] + b"\0\0\0\4zTXtabcd0000" + content[33:])
    assert read_picture(path).changes == plain.changes
    assert read_picture(path).warnings == ()
    np.testing.assert_array_equal(read_picture(path).pixels, plain.pixels)


def test_a_picture_that_claims_to_be_huge_is_refused(tmp_path: Path) -> None:
    path = saved(Image.new("1", (11_000, 10_000)), tmp_path / "huge.png")
    with pytest.raises(DataError, match=r"has 11000 x 10000 pixels in .* make it smaller"):
        read_picture(path)


@pytest.mark.parametrize(
    ("size", "name"), [((1080, 60_000), "long.png"), ((12_000, 9_000), "large.jpg")]
)
def test_a_large_picture_takes_little_memory(
    tmp_path: Path, size: tuple[int, int], name: str
) -> None:
    image = Image.new("L", size, 250)
    image.paste(10, (size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2))
    path = saved(image, tmp_path / name)
    del image
    code = f"""
import resource
from pathlib import Path
from fashionbench.serving.preprocessing import read_picture
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
read_picture(Path({str(path)!r}))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 450
