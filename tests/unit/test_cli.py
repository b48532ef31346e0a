"""The command line: errors in one line, and no heavy imports before they are needed."""

import logging
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from repositories import PROJECT
from ruamel.yaml import YAML

from fashionbench import cli
from fashionbench.errors import ConfigError

_HEAVY = {"torch", "mlflow", "pandas", "matplotlib", "scipy", "sklearn", "torchvision", "pydantic"}


def test_a_users_error_is_one_line_and_status_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FASHIONBENCH_DEBUG", raising=False)
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).write_text("[")
    assert cli.main(["prepare"]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("fashionbench: error: params.yaml is not YAML")
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


def test_a_second_call_adds_no_second_handler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        cli.main(["prepare"])
    capsys.readouterr()
    logging.getLogger("fashionbench").warning("once")
    assert capsys.readouterr().err == "once\n"


def test_what_a_signal_did_before_it_does_again_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    for _ in range(2):
        cli.main(["table"])
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_python_without_the_packages_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).touch()
    monkeypatch.setitem(sys.modules, "fashionbench.pipeline.dependencies", None)
    monkeypatch.delitem(sys.modules, "fashionbench.pipeline.stage_lock", raising=False)
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    assert cli.main(["prepare"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"fashionbench: error: {sys.executable} has no package ")
    assert ". .venv/bin/activate" in line


@pytest.mark.parametrize(
    ("module", "heavy"),
    [("fashionbench.cli", _HEAVY), ("fashionbench.params", _HEAVY - {"pydantic"})],
)
def test_nothing_heavy_is_imported_early(module: str, heavy: set[str]) -> None:
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_package_runs_as_a_module_and_lists_every_command() -> None:
    command = [sys.executable, "-m", "fashionbench", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [name for name in cli.COMMANDS if not re.search(rf"\n    {name}\s", done.stdout)] == []


def test_every_stage_of_the_pipeline_is_a_command() -> None:
    stages = YAML(typ="safe").load((PROJECT / "dvc.yaml").read_text())["stages"]
    commands = [name for name, command in cli.COMMANDS.items() if "stage: " in command.help_line]
    assert commands == list(stages)
