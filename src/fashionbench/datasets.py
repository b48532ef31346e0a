"""The data sets that datasets.yaml declares, of which params.yaml names one."""

from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    StringConstraints,
    ValidationError,
    model_validator,
)

from fashionbench.errors import ConfigError
from fashionbench.files import read_yaml
from fashionbench.messages import did_you_mean, explain
from fashionbench.paths import project_folder

DATASETS_FILE = Path("datasets.yaml")

Part = Literal["train", "test"]
Content = Literal["images", "labels"]
Role = Literal["train images", "train labels", "test images", "test labels"]
# Names become keys in dvc.yaml and folders.
DatasetName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
SIDES = 8, 64
"""Pixels along a side of an image, at least and at most."""
MOST_CLASSES = 100
LABELS_HEADER = 8
"""Bytes of an IDX file of labels before the labels."""


def _check_line(text: str) -> str:
    # Such names reach MLflow, tables and figures, where only a line break would do harm.
    if not text.isprintable() or text != text.strip():
        raise ValueError("must be one line of printable text, without spaces around it")
    return text


def _check_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    sides_fit = all(SIDES[0] <= side <= SIDES[1] for side in shape[:2])
    if len(shape) < 2 or not sides_fit or shape[2:] not in ((), (3,)):
        raise ValueError(
            f"must be [height, width], or [height, width, 3] for colour, of {SIDES[0]} to "
            f"{SIDES[1]} pixels"
        )
    return shape


Shape = Annotated[tuple[int, ...], Field(strict=False), AfterValidator(_check_shape)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=300), AfterValidator(_check_line)]
ClassName = Annotated[
    str, StringConstraints(min_length=1, max_length=60), AfterValidator(_check_line)
]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DataFile(_Model):
    """An unpacked IDX file of a data set; ``size`` in bytes."""

    name: Annotated[str, StringConstraints(pattern=r"^[\w-][\w.-]{0,99}$")]
    role: Role
    size: PositiveInt
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None


class Own(_Model):
    """Values of a data set that override those in params.yaml."""

    input_size: PositiveInt | None = None
    num_classes: PositiveInt | None = None
    train_size: PositiveInt | None = None
    val_size: PositiveInt | None = None


class Dataset(_Model):
    """An entry of ``datasets.yaml``: labelled images, uint8, and where they are found.

    ``shape`` is that of one image: (height, width), or (height, width, 3) in colour. ``classes``
    are the names of the labels 0, 1 and so on. ``framed`` has predict trim pictures to the one
    article that they show.
    """

    name: DatasetName
    title: Line
    shows: Line
    shape: Shape
    classes: Annotated[
        tuple[ClassName, ...], Field(strict=False, min_length=2, max_length=MOST_CLASSES)
    ]
    licence: Line
    source: Line
    faults: Line
    framed: bool = False
    origins: Annotated[tuple[Line, ...], Field(alias="from", strict=False, min_length=1)]
    files: Annotated[tuple[DataFile, ...], Field(strict=False)]
    own: Own

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("classes: each name may appear only once")
        roles = sorted(file.role for file in self.files)
        needed = ["train images", "train labels"]
        if roles not in (needed, ["test images", "test labels", *needed]):
            raise ValueError(
                f"files: must be train images and train labels, and may have both of test, not "
                f"{', '.join(roles) or 'none'}"
            )
        return self

    @property
    def input_size(self) -> int:
        """The number of values of an image."""
        return prod(self.shape)

    @property
    def has_test_part(self) -> bool:
        """Whether it has test images of its own; else they are drawn."""
        return any(file.role == "test labels" for file in self.files)

    @property
    def labelled_images(self) -> int:
        """The number of images for training and validation, and for testing without a test part."""
        return self.file("train", "labels").size - LABELS_HEADER

    @property
    def in_words(self) -> str:
        """The form of its images, such as ``grey images of 28 x 28 pixels``."""
        kind = "coloured" if len(self.shape) > 2 else "grey"
        return f"{kind} images of {self.shape[0]} x {self.shape[1]} pixels"

    def file(self, part: Part, content: Content) -> DataFile:
        """Return one of its files; StopIteration if it has no such part."""
        return next(file for file in self.files if file.role == f"{part} {content}")


def load_dataset(name: object, folder: Path = Path()) -> Dataset:
    """Return the data set ``name`` as the project declares it.

    ``folder`` is the project's, or that of a study in it; the declarations of the project that the
    command runs in do where it has none. Raises ConfigError for a data set that is
    not declared, or declared wrongly.
    """
    places = (folder, folder / "../..", project_folder())
    paths = [place / DATASETS_FILE for place in places]
    path = next((path for path in paths if path.is_file()), paths[0])
    declared = _read(path, path.stat().st_mtime_ns if path.is_file() else 0)
    if not isinstance(name, str) or name not in declared:
        raise ConfigError(
            f"dataset = {str(name)[:60]!r}: is not declared in {DATASETS_FILE}; declared are "
            f"{', '.join(declared)}{did_you_mean(str(name), declared)}"
        )
    return parse_dataset(name, declared[name], path)


def parse_dataset(name: str, entry: Any, path: Path = DATASETS_FILE) -> Dataset:
    """Return an entry of a datasets.yaml; ConfigError names the first thing that is wrong."""
    try:
        return Dataset.model_validate({"name": name, **entry})
    except TypeError as error:
        raise ConfigError(f"{path}: {name} must be a mapping") from error
    except ValidationError as error:
        why = explain(error.errors()[0], ["from", *Dataset.model_fields, *DataFile.model_fields])
        raise ConfigError(f"{path}: {name}: {why}") from error


@lru_cache(maxsize=4)
def _read(path: Path, _: int) -> dict[str, Any]:
    """Read the file as it was at a time: every command needs it several times."""
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must be a mapping of data sets")
    return content
