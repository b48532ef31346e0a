"""The command ``fashionbench predict``: what it takes, and what it says of what it cannot read."""

import argparse
import csv
import io
import json
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from PIL import Image
from repositories import CLASSES

from fashionbench import cli
from fashionbench.commands import predict as command
from fashionbench.commands.predict import Form, predict
from fashionbench.errors import DataError


def take_for_bags(pixels: npt.NDArray[np.uint8]) -> pd.DataFrame:
    return pd.DataFrame(np.tile(np.eye(10)[8], (len(pixels), 1)), columns=CLASSES)


@pytest.fixture(autouse=True)
def _champion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_load", lambda _: (take_for_bags, "a model"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Make a folder with pictures in it and below it, and with other files."""
    image = Image.new("L", (100, 100), 250)
    image.paste(20, (30, 20, 70, 90))
    (tmp_path / "photos/more").mkdir(parents=True)
    for name in ("b.png", "a.JPG", "more/c.webp", ".hidden.png"):
        image.save(tmp_path / "photos" / name)
    (tmp_path / "photos/notes.txt").write_text("no picture")
    return tmp_path


def test_a_folder_stands_for_its_pictures(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    predict(["photos/"], None, "csv", photos)
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["file"] for row in rows] == ["photos/a.JPG", "photos/b.png", "photos/more/c.webp"]
    assert {row["class"] for row in rows} == {"Bag"}
    predict([str(photos / "photos/more")], None, "csv", Path("/"))
    assert str(photos / "photos/more/c.webp") in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("empty.png", "empty.png is empty; copy or download it again"),
        ("", "'' is not a file name; name a picture"),
        ("x" * 300, "'xxxx"),
        ("nothing", "nothing is a folder without pictures"),
        ("https://example.org/a.png", "https://example.org/a.png is an address; download it"),
        ("missing.png", "missing.png does not exist; name a"),
        ("pipe.png", "pipe.png is not a file; name a"),
        ("photos/notes.txt", "photos/notes.txt is not a PNG"),
    ],
)
def test_what_is_no_picture_has_words_of_its_own(photos: Path, name: str, complaint: str) -> None:
    (photos / "empty.png").touch()
    (photos / "nothing").mkdir()
    os.mkfifo(photos / "pipe.png")
    with pytest.raises(DataError) as raised:
        predict([name], None, "text", photos)
    assert str(raised.value).startswith(complaint)
    assert str(photos) not in str(raised.value)


def test_a_file_that_may_not_be_read_is_named(photos: Path) -> None:
    path = photos / "photos/b.png"
    path.chmod(0)
    closed = photos / "photos/more"
    closed.chmod(0)
    user = os.geteuid()
    if not user:
        # Root may read anything.
        os.seteuid(65534)
    try:
        for name in (path, closed):
            with pytest.raises(DataError, match=r"may not be read \(Permission denied\)"):
                predict([str(name)])
    finally:
        os.seteuid(user)


def test_many_bad_files_have_a_line_each_after_all_answers(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "empty.png").touch()
    names = ["missing.png", "photos/b.png", "empty.png"]
    with pytest.raises(DataError, match=r"^2 of 3 files are not classified$"):
        predict(names, None, "json", photos)
    said = capsys.readouterr()
    assert [line.split()[0] for line in said.err.splitlines()] == ["missing.png", "empty.png"]
    answers = json.loads(said.out)
    assert [answer["class"] for answer in answers] == [None, "Bag", None]
    with pytest.raises(DataError, match=r"^1 of 2 files is not classified: empty.png is empty"):
        predict(names[1:], None, "json", photos)
    capsys.readouterr()
    with pytest.raises(DataError, match=r"^missing.png does not exist"):
        predict(names[:1], None, "json", photos)
    (answer,) = json.loads(capsys.readouterr().out)
    assert answer["error"].startswith("missing.png does not exist")


def test_a_name_is_printed_so_that_it_changes_no_terminal(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = ":shoe:\x1b[31m\n.png"
    (photos / "photos/b.png").rename(photos / name)
    predict([name], None, "text", photos)
    assert ":shoe:\\x1b[31m\\n.png: Bag 100.0%" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["text", "json", "csv"])
def test_what_makes_an_answer_doubtful_is_printed(
    photos: Path, form: Form, capsys: pytest.CaptureFixture[str]
) -> None:
    image = Image.new("L", (40, 40), 250)
    image.paste(20, (10, 10, 15, 15))
    image.save(photos / "small.png")
    predict(["small.png"], None, form, photos)
    assert "the article is only 5 x 5 pixels large" in capsys.readouterr().out


def test_a_file_whose_name_begins_with_a_dash_is_no_option(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(photos)
    (photos / "photos/b.png").rename(photos / "-dash.png")
    parsed: list[argparse.Namespace] = []
    monkeypatch.setattr(cli.COMMANDS["predict"], "run", parsed.append)
    monkeypatch.setattr(cli.COMMANDS["predict"], "anywhere", True)
    assert cli.main(["predict", "-dash.png", "--json"]) == 0
    assert (parsed[0].images, parsed[0].form) == (["./-dash.png"], "json")
