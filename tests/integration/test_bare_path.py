"""DVC called by its path, as a crontab or an IDE does, where no environment is activated."""

import subprocess

import pytest
from installed import install
from repositories import Repository


@pytest.mark.slow
def test_stages_run_in_the_environment_that_make_has_made(copied: Repository) -> None:
    install(copied)
    bare = {
        name: value
        for name, value in copied.environment.items()
        if name not in ("PATH", "VIRTUAL_ENV")
    }
    # As on a disk that is mounted with noexec, or after some ways of copying.
    (copied.path / "bin/fashionbench").chmod(0o644)
    done = subprocess.run(
        [".venv/bin/dvc", "repro", "-f", "-s", "check"],
        cwd=copied.path,
        env=bare | {"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
