"""Facts about the machine, also where something of them is not known."""

import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest
from repositories import PROJECT

from fashionbench.pipeline import environment


def test_code_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        if package == "fashionbench":
            raise PackageNotFoundError(package)
        return "1.0"

    monkeypatch.setattr(environment, "version", version)
    facts = environment.describe()
    assert "version.fashionbench" not in facts
    assert facts["version.torch"] == "1.0"


def test_a_user_without_a_name_may_read_what_dvc_holds() -> None:
    nameless = ("unshare", "--user", "--map-user=54321")
    if subprocess.run([*nameless, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here")
    named = ("LOGNAME", "USER", "LNAME", "USERNAME")
    done = subprocess.run(
        [*nameless, sys.executable, "-m", "fashionbench", "table", "--rev", "HEAD"],
        cwd=PROJECT,
        env={name: value for name, value in os.environ.items() if name not in named},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "n2_mlp" in done.stdout
