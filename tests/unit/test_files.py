"""Files are written whole or not at all."""

import os
from pathlib import Path

import pytest

from fashionbench.files import replace_file


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new/folder/table.csv"
    for content in (b"first", b"second"):
        replace_file(path, content)
        assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_cannot_be_written_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table.csv"
    replace_file(path, b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match=f"No space left on device: '{path}'"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_to_a_folder_that_is_gone_leads_to_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").symlink_to(tmp_path / "scratch/mine")
    for folder in ("checkpoints", "checkpoints/below"):
        replace_file(tmp_path / folder / "file", b"content")
    assert (tmp_path / "scratch/mine/file").read_bytes() == b"content"
    assert (tmp_path / "scratch/mine/below/file").exists()
