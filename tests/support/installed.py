"""Repositories in which make finds everything installed, and commands for a test to try."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from repositories import Repository, copy_files

_NEEDED = (
    "benchmarks",
    "tools",
    "Makefile",
    "README.md",
    "pyproject.toml",
    "requirements.txt",
    "requirements-bench.txt",
    "requirements-cluster.txt",
)


def install(repository: Repository) -> Repository:
    """Give a repository what make needs, with this Python's packages as its environment."""
    copy_files(repository.path, *_NEEDED)
    environment = repository.path / ".venv"
    environment.mkdir()
    # The folder itself is no link: should make ever clear the environment, it takes links away.
    for name in ("bin", "lib"):
        (environment / name).symlink_to(Path(sys.prefix) / name)
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", environment)
    for stamp in (".ready", ".bench"):
        (environment / stamp).write_text(f"{repository.path}\n")
    (repository.path / ".git/info/exclude").write_text("/.venv*/\n")
    repository.commit("installed")
    return repository


def commands_to_try(request: pytest.FixtureRequest) -> list[str]:
    """Return the commands of a test's own mark ``tries``, in order."""
    mark = request.node.get_closest_marker("tries")
    return [str(command) for command in mark.args]


def registry_answers() -> bool:
    """Tell whether pip's own index can be asked for a package."""
    command = [sys.executable, "-m", "pip", "index", "versions", "uv"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
