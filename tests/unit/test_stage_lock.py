"""A stage that runs already is refused in words that name its process."""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest

from fashionbench.errors import BusyError
from fashionbench.paths import SCRATCH_DIR
from fashionbench.pipeline import stage_lock


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder; return the file that names a stage's process."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / SCRATCH_DIR / "prepare.pid"


def test_the_process_is_named() -> None:
    with (
        stage_lock._only_one("prepare"),
        pytest.raises(BusyError, match=rf"\(process {os.getpid()}\).*\(kill {os.getpid()}\)"),
        stage_lock._only_one("prepare"),
    ):
        pass


def test_one_that_has_not_yet_written_its_number_is_waited_for(folder: Path) -> None:
    with stage_lock._only_one("prepare"):
        folder.write_text("")
        Timer(0.2, folder.write_text, ["4711"]).start()
        with pytest.raises(BusyError, match=r"running \(process 4711\);"):
            stage_lock._only_one("prepare").__enter__()


def test_one_that_never_writes_it_is_another_process(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_lock, "_PAUSE_S", 0.001)
    with stage_lock._only_one("prepare"):
        folder.write_text("")
        with pytest.raises(BusyError, match=r"is already running; .* or stop it and run"):
            stage_lock._only_one("prepare").__enter__()


HOLD = """
import fcntl, sys
from fashionbench.pipeline import stage_lock

def refuse(*_):
    raise OSError(37, "No locks available")

fcntl.flock = refuse
with stage_lock._only_one("prepare"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_without_locks_a_marker_stands_in_until_its_process_has_ended(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    command = [sys.executable, "-c", HOLD.replace("37", str(errno.ENOLCK))]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    named = rf"\(process {holder.pid}\); .*\(kill {holder.pid}\).* or delete .*lock.held if"
    with pytest.raises(BusyError, match=named):
        stage_lock._only_one("prepare").__enter__()
    holder.kill()
    holder.communicate()
    with stage_lock._only_one("prepare"):
        assert folder.read_text() == str(os.getpid())
    assert not folder.with_name("prepare.lock.held").exists()
    assert caplog.text.count("does not support locks, so prepare.lock.held stands in for one") == 1


def test_any_other_failure_of_a_lock_stays_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="Input/output error"), stage_lock._only_one("prepare"):
        pass
