"""Images of one's own: declared as the pipeline can take them, or refused in one line."""

import io
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from repositories import copy_files

from fashionbench.commands.add_dataset import add, with_entry
from fashionbench.data import own_images
from fashionbench.data.idx import write_idx
from fashionbench.data.sources import RAW_DIR, fetch, read_part
from fashionbench.data.splits import draw_splits
from fashionbench.datasets import load_dataset
from fashionbench.errors import FashionbenchError
from fashionbench.params import load_params

NAMES = ('a "quoted" one', "<b>bold & $x^2$", "NA")
"""Of classes: words that pages, figures and tables have to escape."""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a project without data."""
    copy_files(tmp_path, "params.yaml", "datasets.yaml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pixels(images: int, *shape: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return random images, and their labels in turn."""
    generator = np.random.default_rng(0)
    drawn = generator.integers(256, size=(images, *shape), dtype=np.uint8)
    return drawn, np.arange(images) % classes


IMAGES, LABELS = pixels(120, 8, 8)


def save_pictures(folder: Path, images: np.ndarray = IMAGES, labels: np.ndarray = LABELS) -> Path:
    """Save images as PNG files, in a folder for each class."""
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / NAMES[label] / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


def save_idx(folder: Path, images: np.ndarray = IMAGES, labels: np.ndarray = LABELS) -> Path:
    """Save images as the two files of MNIST."""
    write_idx(folder / f"train-images-idx{images.ndim}-ubyte", images)
    write_idx(folder / "train-labels-idx1-ubyte", labels.astype(np.uint8))
    return folder


def save_npz(
    folder: Path, images: np.ndarray = IMAGES, labels: np.ndarray = LABELS, **others: np.ndarray
) -> Path:
    """Save images and labels as arrays, and others with them."""
    np.savez(folder / "mine.npz", images=images, labels=labels, **others)  # type: ignore[arg-type]
    return folder / "mine.npz"


def named(images: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> set[tuple[str, bytes]]:
    """Return images with the names of their classes, in no order."""
    pairs = zip(images, labels, strict=True)
    return {(classes[label], image.tobytes()) for image, label in pairs}


@pytest.mark.parametrize(
    ("save", "shape", "classes"),
    [
        (save_pictures, (8, 64), 3),
        (save_pictures, (12, 10, 3), 3),
        (save_idx, (9, 9), 2),
        (save_npz, (8, 8, 3), 100),
    ],
)
def test_images_come_through_as_they_are(
    tmp_path: Path,
    save: Callable[[Path, np.ndarray, np.ndarray], Path],
    shape: tuple[int, ...],
    classes: int,
) -> None:
    images, labels = pixels(60 * classes, *shape, classes=classes)
    place = save(tmp_path / "from" if save is save_pictures else tmp_path, images, labels)
    before = Path("datasets.yaml").read_text()
    add("mine", place, None)
    assert Path("datasets.yaml").read_text().startswith(before.rstrip())
    text = Path("params.yaml").read_text().replace("dataset: fashion_mnist", "dataset: mine")
    Path("params.yaml").write_text(text)
    params = load_params()
    dataset = params.dataset
    assert params.network("n1_mlp").shape == shape
    assert dataset.classes == (
        tuple(sorted(NAMES)) if save is save_pictures else tuple(map(str, range(classes)))
    )
    fetch(dataset, RAW_DIR)
    part = read_part(dataset, "train")
    names = NAMES if save is save_pictures else dataset.classes
    assert named(part.images, part.labels, dataset.classes) == named(images, labels, names)
    drawn = draw_splits(dataset, part.labels, params.train_size, params.val_size, 0)
    assert all(len(set(part.labels[indices])) == classes for indices in drawn.values())
    sheet = np.asarray(Image.open("data/sets/mine/contact-sheet.png"))
    assert sheet.shape[:2] == (classes * shape[0], 10 * shape[1])


def spoil_idx(folder: Path, content: str, change: Callable[[bytes], bytes]) -> Path:
    """Save IDX files, and change the one of that content."""
    (path,) = save_idx(folder).glob(f"train-{content}-*")
    path.write_bytes(change(path.read_bytes()))
    return folder


def add_picture(folder: Path, name: str, content: bytes) -> Path:
    """Save pictures, and one more file."""
    path = save_pictures(folder / "from") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return folder / "from"


def save_in(folder: Path, *parts: str) -> Path:
    """Save the same pictures in folders of parts."""
    for part in parts:
        save_pictures(folder / "from" / part)
    return folder / "from"


def picture(array: np.ndarray) -> bytes:
    """Return an image as PNG."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, format="PNG")
    return file.getvalue()


LARGE, DEEP = np.zeros((9, 8), np.uint8), np.zeros((8, 8), np.uint16)


@pytest.mark.parametrize(
    ("save", "says"),
    [
        (partial(save_npz, images=np.zeros((120, 8, 8))), "pixels are float64, and must be uint8"),
        (partial(save_npz, images=IMAGES.astype(np.uint16)), "pixels are uint16"),
        (partial(save_npz, images=np.array([{}] * 120)), "pickled objects, which are never read"),
        (partial(save_npz, images=IMAGES[:, :7, :7]), "of 8 to 64 pixels"),
        (partial(save_npz, images=np.zeros((120, 8, 8, 2), np.uint8)), "shape = "),
        (partial(save_npz, images=np.array(1, np.uint8)), r"images are of shape \(\)"),
        (partial(save_npz, images=IMAGES[:60], labels=LABELS[:60]), "images leave 40 to train on"),
        (partial(save_npz, labels=LABELS - 1), "labels are from -1 to 1"),
        (partial(save_npz, labels=LABELS * 100), "labels are from 0 to 200"),
        (partial(save_npz, labels=LABELS * 2), "the class '1' has no training image"),
        (partial(save_npz, labels=LABELS[1:]), "120 images and 119 labels"),
        (partial(save_npz, labels=LABELS * 0), "one class only"),
        (partial(save_npz, labels=LABELS / 2), "must be whole numbers"),
        (partial(save_npz, labels=np.r_[0, 1, np.full(118, 2)]), "'0' of mine has 1 images"),
        (partial(save_npz, classes=np.array(["a", "b\nc", "d"])), "be one line of printable text"),
        (partial(save_npz, classes=np.array(["a", "a", "d"])), "each name may appear only once"),
        (partial(save_npz, classes=np.array(0)), "must be a name each"),
        (partial(save_npz, test_images=IMAGES[:3]), "and nothing else"),
        (lambda at: spoil_idx(at, "labels", lambda old: old[:-1]), "fewer values than its header"),
        (lambda at: spoil_idx(at, "images", lambda old: old + b"x"), "more values than its header"),
        (lambda at: spoil_idx(at, "images", lambda old: b"\0\0\x0d" + old[3:]), "other values"),
        (lambda at: spoil_idx(at, "images", lambda old: old[:3] + b"\0"), "has 0 dimensions"),
        (lambda at: add_picture(at, "c/bad.png", b"no"), "c/bad.png cannot be read as a picture"),
        (lambda at: add_picture(at, "c/cut.png", picture(IMAGES[0])[:80]), "c/cut.png cannot"),
        (lambda at: add_picture(at, "c/large.png", picture(LARGE)), "has 8 x 9 pixels, and"),
        (lambda at: add_picture(at, "c/deep.png", picture(DEEP)), "more than 8 bits"),
        (lambda at: add_picture(at, "c/a.tif", b"II*"), "c/a.tif is left out; taken are .png"),
        (lambda at: save_in(at, "train", "val"), "folders train, val; wanted is a folder for each"),
        (lambda at: save_in(at, "all"), "has the folders all; wanted is a folder for each"),
        (lambda at: at / "nothing", "does not exist"),
        (lambda at: at, "holds no labelled images"),
    ],
)
def test_what_cannot_be_taken_is_refused_in_one_line_and_leaves_nothing(
    tmp_path: Path, save: Callable[[Path], Path], says: str
) -> None:
    place = save(tmp_path)
    before = Path("datasets.yaml").read_text()
    with pytest.raises(FashionbenchError, match=says) as caught:
        add("mine", place, None)
    assert "\n" not in str(caught.value)
    assert Path("datasets.yaml").read_text() == before
    assert not [path for path in Path("data").rglob("*") if path.is_file()]


def test_hidden_files_and_folders_are_no_pictures(tmp_path: Path) -> None:
    save_pictures(tmp_path / "from")
    for hidden in (".thumbs/a.png", "NA/.cache/a.png", "NA/._a.png", "__MACOSX/NA/a.png"):
        path = tmp_path / "from" / hidden
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(IMAGES[0]))
    add("mine", tmp_path / "from", None)
    assert load_dataset("mine").classes == tuple(sorted(NAMES))
    assert load_dataset("mine").labelled_images == 120


@pytest.mark.parametrize("number", range(95, 102))
def test_any_number_of_images_can_be_split(tmp_path: Path, number: int) -> None:
    add("mine", save_npz(tmp_path, *pixels(number, 8, 8)), None)


def test_duplicates_are_counted_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    others = (LABELS[:10] + 1) % 3
    add("mine", save_npz(tmp_path, test_images=IMAGES[:10], test_labels=others), None)
    said = capsys.readouterr().out
    assert "0 labelled images repeat an earlier one, 10 test images are among them" in said


def test_pictures_are_turned_as_their_camera_says(tmp_path: Path) -> None:
    save_pictures(tmp_path / "from", *pixels(120, 12, 10, 3))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (12, 10)).save(tmp_path / "from/NA/turned.jpg", exif=exif)
    add("mine", tmp_path / "from", None)
    assert load_dataset("mine").shape == (12, 10, 3)


@pytest.mark.parametrize("inside", ["", "raw"])
def test_nobodys_files_are_deleted(tmp_path: Path, inside: str) -> None:
    own = save_pictures(Path("data/sets/mine") / inside)
    for place in (own, save_npz(tmp_path)):
        with pytest.raises(FashionbenchError, match="holds files that would be lost"):
            add("mine", place, None)
    assert len(list(own.rglob("*.png"))) == 120


@pytest.mark.parametrize("text", ["{a: {b: 1}}", "  a: {b: 1}", "a: {b: 1}\n..."])
def test_a_file_that_would_break_stays_as_it_is(text: str) -> None:
    with pytest.raises(FashionbenchError, match="an entry cannot be appended"):
        with_entry(text, "mine: {title: x}\n")


def test_pictures_of_any_size_are_resized_if_that_is_asked_for(tmp_path: Path) -> None:
    save_pictures(tmp_path / "from", *pixels(120, 20, 30))
    Image.new("RGBA", (100, 90), (0, 0, 255, 0)).save(tmp_path / "from/NA/one.png")
    add("mine", tmp_path / "from", "16x24")
    assert load_dataset("mine").shape == (16, 24, 3)
    with pytest.raises(FashionbenchError, match="take another name"):
        add("mine", tmp_path / "from", "16x24")


def test_more_images_than_memory_holds_are_not_even_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_images, "available_memory", lambda: 4 * 120 * 64)
    with pytest.raises(FashionbenchError, match="GiB of images need 4 times as much memory"):
        add("mine", save_npz(tmp_path), None)


def test_a_wrong_name_is_refused(tmp_path: Path) -> None:
    for name, says in (("My set", "a name starts with a lower-case letter"), ("null", "no name")):
        with pytest.raises(FashionbenchError, match=says):
            add(name, tmp_path, None)
    with pytest.raises(FashionbenchError, match="--size resizes pictures"):
        add("mine", save_npz(tmp_path), "8x8")
