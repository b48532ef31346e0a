"""Repositories as git leaves them: shallow, linked, below others, in conflict, nameless."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from repositories import Repository, stages_of


def shallow(repository: Repository, path: Path) -> Repository:
    """Clone the last commit alone, and check out no branch, as continuous integration does."""
    repository.run("git", "clone", "-q", "--depth=1", f"file://{repository.path}", str(path))
    clone = Repository(path)
    clone.run("git", "checkout", "-q", "--detach")
    return clone


def linked(repository: Repository, path: Path) -> Repository:
    """Add a worktree of another branch."""
    repository.run("git", "worktree", "add", "-q", "-b", "other", str(path))
    return Repository(path)


def below(repository: Repository, path: Path) -> Repository:
    """Clone it as a submodule of another repository."""
    path.mkdir()
    outer = Repository(path)
    outer.run("git", "init", "-q")
    allowed = ("-c", "protocol.file.allow=always")
    outer.run("git", *allowed, "submodule", "--quiet", "add", str(repository.path), "bench")
    return Repository(path / "bench")


@pytest.mark.slow(minutes=2)
@pytest.mark.parametrize("make", [shallow, linked, below])
def test_results_are_restored_whatever_git_looks_like(
    copied: Repository, tmp_path: Path, make: Callable[[Repository, Path], Repository]
) -> None:
    made = make(copied, tmp_path / "made")
    shutil.copytree(copied.path / ".dvc/cache", made.path / ".dvc/cache")
    made.run("dvc", "checkout")
    said = made.run("dvc", "repro")
    assert stages_of(said.stdout) == {"mirror"}
    assert "cannot log" not in said.stderr
    assert made.run("git", "status", "--porcelain").stdout == ""
