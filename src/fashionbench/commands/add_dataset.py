"""The command ``fashionbench dataset``: declares images of one's own in datasets.yaml."""

import io
import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fashionbench.data.idx import write_idx
from fashionbench.data.own_images import OwnImages, read_own
from fashionbench.data.sources import SETS_DIR
from fashionbench.data.splits import count_duplicates, draw_splits
from fashionbench.datasets import DATASETS_FILE, Dataset, parse_dataset
from fashionbench.errors import ConfigError
from fashionbench.files import read_yaml, replace_file
from fashionbench.params import PARAMS_FILE, load_params
from fashionbench.pipeline.dependencies import sha256_of
from fashionbench.terminal import open_console, print_table

SHEET = "contact-sheet.png"
_COLUMNS = 10
"""Images of a class on the contact sheet."""
_NO_STRINGS = ("null", "true", "false", "nan", "inf", "yes", "no", "on", "off", "y", "n")
"""Names that YAML, or what reads ``-S`` for DVC, takes for other values."""
_SHARE = 6
"""A part of so many is for validation, and one for testing if there is none."""


def add(name: str, folder: Path, size: str | None = None) -> None:
    """Declare the images in a folder or an .npz file as the data set ``name``, and show them.

    They are written as IDX files below data/sets, with a contact sheet. Nothing is written unless
    the whole pipeline can take them. Raises ConfigError for a name or a size that is not allowed,
    DataError for images that are not.
    """
    entries = read_yaml(DATASETS_FILE)
    if isinstance(entries, dict) and name in entries:
        raise ConfigError(
            f"{name} is in {DATASETS_FILE} already; take another name, or delete its entry"
        )
    _check_name(name)
    home = SETS_DIR / name
    _check_home(home, folder)
    found = read_own(folder, _parse(size))
    SETS_DIR.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=SETS_DIR, prefix=".incoming-") as beside:
        incoming = Path(beside) / name
        entry, dataset = _write(name, found, incoming)
        sizes = (dataset.own.train_size or 0, dataset.own.val_size or 0)
        try:
            draw_splits(dataset, found.parts["train"].labels, *sizes, load_params().split_seed)
        except ValueError as error:
            raise ConfigError(f"{folder}: some class is too small to be split ({error})") from error
        declared = with_entry(DATASETS_FILE.read_text(encoding="utf-8"), entry)
        shutil.rmtree(home, ignore_errors=True)
        incoming.rename(home)
    replace_file(DATASETS_FILE, declared.encode())
    _show(dataset, found, home / SHEET)


def _check_name(name: str) -> None:
    """Raise ConfigError for a name that is not allowed, or that ``-S dataset=`` would not take."""
    _declare(name, [], (8, 8), ("a", "b"), {})
    if name in _NO_STRINGS:
        raise ConfigError(f"{name}: YAML and dvc exp run read this as no name; take another")


def _check_home(home: Path, folder: Path) -> None:
    """Raise ConfigError if the folder of a data set holds anything but what this command writes."""
    if home.is_symlink() or home.is_file():
        raise ConfigError(f"{home} is not a folder; move it away, or take another name")
    others = [path for path in (home.iterdir() if home.is_dir() else ()) if not _is_ours(path)]
    if others or folder.resolve().is_relative_to(home.resolve()):
        raise ConfigError(f"{home} holds files that would be lost; move them, or take another name")


def _is_ours(path: Path) -> bool:
    return path.is_file() and (path.name == SHEET or path.name.endswith("-ubyte"))


def with_entry(text: str, entry: str) -> str:
    """Return the text of datasets.yaml with an entry appended; ConfigError if that breaks it."""
    longer, yaml = f"{text.rstrip()}\n\n{entry}", YAML(typ="safe")
    try:
        is_right = yaml.load(longer) == yaml.load(text) | yaml.load(entry)
    except (YAMLError, TypeError):
        is_right = False
    if not is_right:
        raise ConfigError(
            f"{DATASETS_FILE}: an entry cannot be appended to what is there; write it as a mapping "
            "in block style, whose keys are not indented"
        )
    return longer


def _parse(size: str | None) -> tuple[int, int] | None:
    if size is None:
        return None
    if not (found := re.fullmatch(r"(\d{1,3})x(\d{1,3})", size)):
        raise ConfigError(f"--size = {size!r}: must be HEIGHTxWIDTH in pixels, such as 32x32")
    return int(found[1]), int(found[2])


def _write(name: str, found: OwnImages, folder: Path) -> tuple[str, Dataset]:
    """Write the files of a data set into a folder; return its entry, and as it is declared."""
    shape = found.parts["train"].images.shape[1:]
    files = []
    labelled = len(found.parts["train"])
    for part, split in found.parts.items():
        for content, array in (("images", split.images), ("labels", split.labels)):
            path = folder / f"{part}-{content}-idx{array.ndim}-ubyte"
            write_idx(path, array)
            role, size = f"{part} {content}", path.stat().st_size
            files.append({"name": path.name, "role": role, "size": size, "sha256": sha256_of(path)})
    val_size = max(len(found.classes), labelled // _SHARE)
    train_size = labelled - val_size * (1 if "test" in found.parts else 2)
    if train_size < load_params().batch_size:
        raise ConfigError(
            f"{labelled} images leave {train_size} to train on, which is less than batch_size = "
            f"{load_params().batch_size} in {PARAMS_FILE}; add images, or make it smaller"
        )
    if train_size % load_params().batch_size == 1:
        # A last batch of one image, which batch normalisation cannot use.
        val_size += 1
        train_size = labelled - val_size * (1 if "test" in found.parts else 2)
    own = {
        "input_size": int(np.prod(shape)),
        "num_classes": len(found.classes),
        "train_size": train_size,
        "val_size": val_size,
    }
    entry = _declare(name, files, shape, found.classes, own)
    replace_file(folder / SHEET, _contact_sheet(found))
    text = io.StringIO()
    yaml = YAML()
    yaml.width = 1000
    yaml.dump({name: entry}, text)
    return text.getvalue(), parse_dataset(name, entry)


def _declare(
    name: str,
    files: list[dict[str, object]],
    shape: tuple[int, ...],
    classes: tuple[str, ...],
    own: dict[str, int],
) -> dict[str, object]:
    """Return an entry for datasets.yaml; ConfigError for what is not allowed in one."""
    entry: dict[str, object] = {
        "title": name,
        "shows": "images of one's own",
        "shape": list(shape),
        "classes": list(classes),
        "licence": "not stated",
        "source": "not stated",
        "faults": "None is known.",
        "from": [f"folder:{name}"],
        "files": files,
        "own": own,
    }
    roles = [{"name": "x", "role": f"train {one}", "size": 1} for one in ("images", "labels")]
    parse_dataset(name, entry | {"files": files or roles})
    return entry


def _contact_sheet(found: OwnImages) -> bytes:
    """Return a PNG with the first images of each class, a row for each."""
    train, rows = found.parts["train"], []
    for label in range(len(found.classes)):
        images = train.images[train.labels == label][:_COLUMNS]
        row = np.zeros((_COLUMNS, *images.shape[1:]), np.uint8)
        row[: len(images)] = images
        rows.append(np.concatenate(row, axis=1))
    file = io.BytesIO()
    Image.fromarray(np.concatenate(rows)).save(file, format="PNG")
    return file.getvalue()


def _show(dataset: Dataset, found: OwnImages, sheet: Path) -> None:
    console, train = open_console(), found.parts["train"]
    test = found.parts.get("test", train.take(slice(0)))
    counts = [np.bincount(split.labels, minlength=len(found.classes)) for split in (train, test)]
    rows = [
        (name, *(str(count[label]) for count in counts)) for label, name in enumerate(found.classes)
    ]
    title = f"{dataset.name}: {len(train) + len(test)} {dataset.in_words}"
    print_table(console, ("Class", "Labelled images", "Test images"), rows, title=title)
    same = count_duplicates(train, test)
    console.print(
        f"{same.train} labelled images repeat an earlier one, {same.in_both} test images are among "
        f"them. Some of each class: {sheet}\n"
        f"Declared in {DATASETS_FILE}, where title, licence and source are yours to complete; "
        f"train on it: dvc exp run -S dataset={dataset.name}",
        markup=False,
        soft_wrap=True,
    )
