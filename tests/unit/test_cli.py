"""The command line: one line for a user's error, and nothing heavy imported before it is needed."""

import subprocess
import sys
from pathlib import Path

import pytest

from fashionbench import cli
from fashionbench.errors import ConfigError


def test_a_users_error_is_one_line_and_status_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FASHIONBENCH_DEBUG", raising=False)
    assert cli.main(["prepare"]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("fashionbench: error: params.yaml cannot be read")
    assert len(printed.err.splitlines()) == 1
    assert printed.out == ""


def test_debugging_shows_the_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASHIONBENCH_DEBUG", "1")
    with pytest.raises(ConfigError):
        cli.main(["prepare"])


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["trian"])
    assert caught.value.code == 2
    assert "invalid choice" in capsys.readouterr().err


@pytest.mark.parametrize("module", ["fashionbench.cli", "fashionbench.params"])
def test_nothing_heavy_is_imported_early(module: str) -> None:
    heavy = "{'torch', 'mlflow', 'pandas', 'matplotlib', 'scipy', 'sklearn', 'torchvision'}"
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_package_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "fashionbench", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for name in (
        "download",
        "prepare",
        "train",
        "evaluate",
        "compare",
        "report",
        "table",
        "verdicts",
    ):
        assert name in done.stdout
