"""A stage that runs already is refused in words that name its process."""

import os
from pathlib import Path
from threading import Timer

import pytest

from fashionbench.errors import BusyError
from fashionbench.paths import SCRATCH_DIR
from fashionbench.pipeline import stage_lock


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / SCRATCH_DIR / "prepare.lock"


def test_the_process_is_named() -> None:
    with (
        stage_lock._only_one("prepare"),
        pytest.raises(BusyError, match=rf"process {os.getpid()} already.*\(kill {os.getpid()}\)"),
        stage_lock._only_one("prepare"),
    ):
        pass


def test_one_that_has_not_yet_written_its_number_is_waited_for(folder: Path) -> None:
    with stage_lock._only_one("prepare"):
        folder.write_text("")
        Timer(0.2, folder.write_text, ["4711"]).start()
        with pytest.raises(BusyError, match="by process 4711 already"):
            stage_lock._only_one("prepare").__enter__()


def test_one_that_never_writes_it_is_another_process(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_lock, "_PAUSE_S", 0.001)
    with stage_lock._only_one("prepare"):
        folder.write_text("")
        with pytest.raises(BusyError, match=r"by another process already; .* or end it, and run"):
            stage_lock._only_one("prepare").__enter__()
