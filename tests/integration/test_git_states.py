"""Repositories as git leaves them: shallow, linked, below others, in conflict, nameless."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from repositories import Repository, stages_of

from fashionbench.errors import ConfigError
from fashionbench.files import read_yaml

_NAMELESS = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "EMAIL": "",
}


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


@pytest.mark.slow(minutes=1)
def test_without_a_name_in_git_an_experiment_ends_well_or_says_so(copied: Repository) -> None:
    for key in ("user.name", "user.email"):
        copied.run("git", "config", "--unset", key, check=False)
    nameless = replace(copied, variables=_NAMELESS)
    experiment = ("dvc", "exp", "run", "--temp", "-S", "dropout_prob=0.3", "check")
    done = nameless.run(*experiment, check=False)
    assert "Traceback" not in done.stderr
    if done.returncode:
        assert "user" in done.stderr or "identity" in done.stderr


@pytest.mark.slow
def test_a_lock_in_conflict_is_one_line(copied: Repository) -> None:
    lock = copied.path / "dvc.lock"
    lock.write_text(f"<<<<<<< HEAD\n{lock.read_text()}=======\n>>>>>>> other\n")
    done = copied.run("dvc", "repro", check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "dvc.lock" in done.stderr
    with pytest.raises(ConfigError, match=r"dvc.lock is not YAML"):
        read_yaml(lock)
