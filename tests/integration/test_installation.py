"""The Makefile's own decisions: which Python, whether to install anew, and in which folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from repositories import PROJECT, environment

ANEW = " -m venv --clear "


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with what make reads, in which everything seems to be installed."""
    folder = tmp_path / "project"
    (folder / ".venv/bin").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "requirements.txt"):
        shutil.copy(PROJECT / name, folder)
    (folder / ".venv/bin/python").symlink_to(sys.executable)
    (folder / ".venv/.ready").write_text(f"{folder}\n")
    return folder


def make(
    folder: Path, *arguments: str, path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Print what make would do; ``path`` is the only folder of commands, but for make's own."""
    env = environment()
    found = {name: shutil.which(name) or name for name in ("cat", "echo", "git", "make", "sh")}
    if path is not None:
        for name, command in found.items():
            (path / name).symlink_to(command)
        env["PATH"] = str(path)
    words = [found["make"], "--dry-run", *arguments]
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)


def stub(path: Path, name: str, body: str) -> None:
    """Write a command."""
    path.mkdir(exist_ok=True)
    (path / name).write_text(f"#!/bin/sh\n{body}\n")
    (path / name).chmod(0o755)


def test_a_newer_lock_is_installed_into_the_same_environment(folder: Path) -> None:
    later = (folder / ".venv/.ready").stat().st_mtime + 10
    os.utime(folder / "requirements.txt", (later, later))
    said = make(folder, "install").stdout
    assert "-r requirements.txt" in said
    assert ANEW not in said


def test_what_is_half_made_broken_or_moved_is_made_anew(folder: Path) -> None:
    ready, python = folder / ".venv/.ready", folder / ".venv/bin/python"
    ready.unlink()
    assert ANEW in make(folder, "install").stdout
    ready.write_text(f"{folder}\n")
    python.unlink()
    python.symlink_to("/nowhere/python3")
    assert ANEW in make(folder, "install").stdout
    python.unlink()
    python.symlink_to(sys.executable)
    assert make(folder, "install").stdout == "make: Nothing to be done for 'install'.\n"
    moved = folder.rename(folder.with_name("moved"))
    assert ANEW in make(moved, "install").stdout


def test_the_first_python_that_fits_and_starts_is_taken(folder: Path, tmp_path: Path) -> None:
    (folder / ".venv/.ready").unlink()
    commands = tmp_path / "commands"
    # A version manager has commands of versions that it lacks.
    stub(commands, "python3.11", "echo not installed >&2; exit 127")
    stub(commands, "python3.12", f'exec {sys.executable} "$@"')
    stub(commands, "python3", "exit 1")
    said = make(folder, "install", path=commands)
    assert f'"{commands}/python3.12"{ANEW}' in said.stdout


def test_an_environment_that_is_a_link_is_made_where_it_leads(folder: Path, tmp_path: Path) -> None:
    (folder / ".venv/.ready").unlink()
    elsewhere = (folder / ".venv").rename(tmp_path / "elsewhere")
    (folder / ".venv").symlink_to(elsewhere)
    assert f"{ANEW}{elsewhere}\n" in make(folder, "install").stdout


@pytest.mark.tries("make install")
def test_a_disk_on_which_nothing_is_executable_is_said_before_anything_is_installed(
    folder: Path, tmp_path: Path
) -> None:
    shutil.rmtree(folder / ".venv")
    # What venv leaves on such a disk.
    body = 'test "$1" != -m || { mkdir -p .venv/bin && touch .venv/bin/pip; }'
    stub(tmp_path / "commands", "python3.11", body)
    words = ["make", "install", f"PYTHON={tmp_path / 'commands/python3.11'}"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "ln -s /path/to/folder .venv" in done.stderr
    assert "pip install" not in done.stdout
    assert not (folder / ".venv").exists()


@pytest.mark.parametrize(
    ("arguments", "looked_for"),
    [
        ((), "python3.11 python3.12 python3.13 python3.14 python3 python"),
        (("PYTHON=/nowhere/python3.11",), "/nowhere/python3.11"),
        (("PYTHON=python3.10",), "python3.10"),
    ],
)
def test_where_no_python_fits_one_line_says_what_was_looked_for(
    folder: Path, tmp_path: Path, arguments: tuple[str, ...], looked_for: str
) -> None:
    (folder / ".venv/.ready").unlink()
    commands = tmp_path / "commands"
    stub(commands, "python3.10", "exit 1  # As the question whether it is 3.11 or later ends.")
    done = make(folder, "install", *arguments, path=commands)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"found no Python 3.11 or later: looked for {looked_for} " in line
    assert "make PYTHON=/path/to/python3.11" in line


@pytest.mark.tries("make repository")
@pytest.mark.parametrize("target", ["all", "quick", "verify"])
@pytest.mark.parametrize("kind", ["unpacked archive", "no commit", "part of another repository"])
def test_without_a_repository_of_its_own_one_line_says_what_to_type_before_all_else(
    folder: Path, kind: str, target: str
) -> None:
    (folder / ".venv/.ready").unlink()
    top = {"no commit": folder, "part of another repository": folder.parent}.get(kind)
    if top:
        subprocess.run(["git", "init", "-q"], cwd=top, check=True)
    if kind == "part of another repository":
        identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost"]
        commit = ["git", *identity, "commit", "-q", "--allow-empty", "-m", "another"]
        subprocess.run(commit, cwd=top, check=True)
    done = make(folder, target)
    assert done.returncode == 2
    assert "venv" not in done.stdout
    (line,) = done.stderr.splitlines()
    assert "git init && git add --all && git commit --message fashionbench" in line
