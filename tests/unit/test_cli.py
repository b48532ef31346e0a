"""The command line: errors in one line, and no heavy imports before they are needed."""

import argparse
import logging
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from inspect import signature
from io import StringIO
from pathlib import Path

import pytest
from repositories import PROJECT, Repository, copy_files
from ruamel.yaml import YAML

from fashionbench import cli
from fashionbench.errors import ConfigError
from fashionbench.stages import check
from fashionbench.terminal import open_console


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder that looks like a project."""
    monkeypatch.chdir(tmp_path)
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).touch()
    return tmp_path


_HEAVY = {"torch", "mlflow", "pandas", "matplotlib", "scipy", "sklearn", "torchvision", "pydantic"}


def test_a_users_error_is_one_line_and_status_1_or_a_traceback_to_debug(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(cli.DEBUG_VARIABLE, raising=False)
    (project / "params.yaml").write_text("[")
    assert cli.main(["prepare"]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("fashionbench: error: params.yaml is not YAML")
    assert len(printed.err.splitlines()) == 1
    assert printed.out == ""
    monkeypatch.setenv(cli.DEBUG_VARIABLE, "1")
    with pytest.raises(ConfigError):
        cli.main(["prepare"])


def test_a_second_call_finds_handlers_as_the_first_did(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    for _ in range(2):
        cli.main(["prepare"])
    assert signal.getsignal(signal.SIGTERM) is before
    capsys.readouterr()
    logging.getLogger("fashionbench").warning("once")
    assert capsys.readouterr().err == "once\n"


@pytest.mark.parametrize(
    ("number", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")]
)
def test_a_signal_is_named_whatever_a_library_makes_of_it(
    number: signal.Signals,
    word: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def import_that_is_interrupted(*_: object) -> None:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(number)
        raise RecursionError("maximum recursion depth exceeded")

    monkeypatch.setattr(check, "run", import_that_is_interrupted)
    # Ctrl-C is ignored in a job in the background, as this test may be.
    before = signal.signal(number, signal.default_int_handler)
    try:
        assert cli.main(["check"]) == 128 + number
    finally:
        signal.signal(number, before)
    assert capsys.readouterr().err == f"fashionbench: {word}\n"


def test_an_interrupted_command_shows_the_cursor_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    def bar_that_is_interrupted(*_: object) -> None:
        bar = open_console()
        bar.show_cursor(False)
        bar._enter_buffer()  # Left as an interruption between its lines leaves it: for good.
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        bar.show_cursor()
        raise KeyboardInterrupt

    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "__stdout__", terminal)
    monkeypatch.setattr(check, "run", bar_that_is_interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        cli.main(["check"])
    finally:
        signal.signal(signal.SIGINT, before)
    assert terminal.getvalue() == "\x1b[?25l\x1b[?25h"


def test_a_python_without_the_packages_is_named(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "filelock", None)
    monkeypatch.delitem(sys.modules, "fashionbench.pipeline.stage_lock", raising=False)
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    assert cli.main(["prepare"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"fashionbench: error: {sys.executable} has no package filelock; ")
    assert ". .venv/bin/activate" in line


@pytest.mark.parametrize(
    "line",
    [
        "import fashionbench.data.mine",
        "from fashionbench.data import mine",
        "from fashionbench.data.mine import VALUE",
    ],
)
def test_a_module_that_git_does_not_know_is_named_in_an_experiments_copy(
    line: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy_files(project, "datasets.yaml", "dvc.yaml", "params.yaml")
    monkeypatch.setattr(check, "run", lambda: exec(line))
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    missing = "src/fashionbench/data/mine.py"
    for root, said in (
        (project, f"there is no {missing}; "),
        (
            PROJECT,
            f"{missing} is not in this copy of the project: DVC copies only files that git "
            f"knows; git add {missing} and run the experiment again",
        ),
    ):
        monkeypatch.setenv("DVC_ROOT", str(root))
        assert cli.main(["check"]) == 1
        (printed,) = capsys.readouterr().err.splitlines()
        assert printed.startswith(f"fashionbench: error: {said}")


def test_code_that_dvc_has_not_copied_is_named_before_a_stage_needs_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = "src/fashionbench/training/mine.py"
    Path("dvc.yaml").write_text(f"stages:\n  train:\n    deps:\n      - {mine}\n")
    monkeypatch.setenv("DVC_ROOT", str(PROJECT))
    with pytest.raises(ConfigError, match=f"git add {mine} and run the experiment again"):
        check.run()


def test_an_import_that_fails_for_another_reason_shows_its_traceback(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("fashionbench.paths.make_folder")
    monkeypatch.delitem(sys.modules, "fashionbench.pipeline.stage_lock", raising=False)
    with pytest.raises(ImportError, match="make_folder"):
        cli.main(["prepare"])


@pytest.mark.parametrize("both", [False, True], ids=["stdout", "and stderr"])
@pytest.mark.parametrize(
    "words",
    ["table", "table --markdown", "verdicts", "verdicts --markdown", "doctor --help", "predict x"],
)
def test_a_closed_pipe_ends_a_command_without_a_word(words: str, both: bool) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    status, said = into(writer, words, both=both)
    if words == "predict x" and not both:
        # There is no picture x, and nothing to print.
        assert (status, said.count("\n")) == (1, 1)
    else:
        assert status in (0, cli.CLOSED_PIPE)
        assert said == ""


@pytest.mark.parametrize("words", ["table", "verdicts --markdown"])
def test_output_that_cannot_be_written_is_an_error_of_one_line(words: str) -> None:
    status, said = into(os.open("/dev/full", os.O_WRONLY), words)
    assert status == 1
    assert said.startswith("fashionbench: error: No space left on device; ")
    assert said.count("\n") == 1


def test_a_command_runs_without_an_output() -> None:
    assert Repository(PROJECT).run("sh", "-c", "fashionbench table >&-").stderr == ""


def into(output: int, words: str, *, both: bool = False) -> tuple[int, str]:
    """Run a command with its output to a file; return its status and what it says on stderr."""
    command = [sys.executable, "-m", "fashionbench", *words.split()]
    stderr = subprocess.STDOUT if both else subprocess.PIPE
    with os.fdopen(output, "wb") as file:
        done = subprocess.run(
            command, cwd=PROJECT, stdout=file, stderr=stderr, text=True, check=False
        )
    return done.returncode, done.stderr or ""


@pytest.mark.parametrize(
    ("module", "heavy"),
    [("fashionbench.cli", _HEAVY), ("fashionbench.params", _HEAVY - {"pydantic"})],
)
def test_nothing_heavy_is_imported_early(module: str, heavy: set[str]) -> None:
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    assert Repository(PROJECT).run(sys.executable, "-c", code).stdout == "[]\n"


def test_the_package_runs_as_a_module_and_lists_every_command() -> None:
    said = Repository(PROJECT).run(sys.executable, "-m", "fashionbench", "--help").stdout
    assert [name for name in cli.COMMANDS if not re.search(rf"\n    {name}\s", said)] == []


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_function_of_a_command_takes_all_of_its_arguments(name: str) -> None:
    command, parser = cli.COMMANDS[name], argparse.ArgumentParser()
    for declare in command.arguments:
        declare(parser)
    module, function = command.function.split(":")
    taken = signature(getattr(import_module(f"fashionbench.{module}"), function)).parameters
    declared = {action.dest for action in parser._actions} - {"help", "action"}
    assert declared <= set(taken)
    needed = {one for one, found in taken.items() if found.default is found.empty}
    assert needed <= declared | {"dependencies"}


def test_every_stage_of_the_pipeline_is_a_command() -> None:
    stages = YAML(typ="safe").load((PROJECT / "dvc.yaml").read_text())["stages"]
    commands = [name for name, command in cli.COMMANDS.items() if "stage: " in command.help_line]
    assert commands == list(stages)


@pytest.mark.parametrize("rev", ["", "HEAD:metrics", "HEAD^{tree}"])
def test_what_names_no_commit_is_refused(rev: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("table", "verdicts", "page"):
        with pytest.raises(SystemExit):
            cli.main([command, "--rev", rev])
        assert f"{rev!r} names no commit, branch or experiment" in capsys.readouterr().err


def test_any_name_of_a_file_can_be_printed(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xc3\xa9 \xff.png")
    shell = Repository(PROJECT, {"PYTHONIOENCODING": "ascii:strict"})
    done = shell.run("fashionbench", "predict", str(tmp_path / name), check=False)
    assert done.returncode == 1
    assert r"caf\xe9 \udcff.png does not exist" in done.stderr
