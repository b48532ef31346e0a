"""The command line: ``fashionbench`` and, in dvc.yaml, ``sh bin/fashionbench``."""

import argparse
import gc
import io
import os
import re
import select
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any, TextIO

from fashionbench.errors import FashionbenchError
from fashionbench.paths import describe_not_copied, in_workspace
from fashionbench.pipeline.launch import prepared_process
from fashionbench.repository import find_repository

DEBUG_VARIABLE = "FASHIONBENCH_DEBUG"
CLOSED_PIPE = 128 + signal.SIGPIPE
"""Exit status of a command that a signal ended: 128 and its number, as in shells."""

Argument = Callable[[argparse.ArgumentParser], object]
"""Declares an argument of a command."""


class Command:
    """A command: the function that runs it, its line in ``--help``, and its arguments.

    ``function`` is a module and a name in it, imported when the command runs, since torch and
    MLflow take seconds; it gets the arguments by name, those that it has parameters for. The
    command runs at the top of the repository, or ``anywhere``.
    """

    def __init__(
        self, function: str, help_line: str, *arguments: Argument, anywhere: bool = False
    ) -> None:
        self.function, self.help_line, self.arguments = function, help_line, arguments
        self.anywhere = anywhere

    def run(self, parsed: argparse.Namespace) -> None:
        """Call the function."""
        module, name = self.function.split(":")
        # Collections over the objects of torch take a seventh of the time of its import.
        gc.disable()
        try:
            function = getattr(import_module(f"fashionbench.{module}"), name)
            gc.freeze()
        finally:
            gc.enable()
        known = signature(function).parameters
        function(**{name: value for name, value in vars(parsed).items() if name in known})


class Stage(Command):
    """A stage of dvc.yaml, which runs once at a time, on files that stay as they are."""

    def __init__(self, name: str, help_line: str, *arguments: Argument) -> None:
        super().__init__(f"stages.{name}:run", help_line, *arguments)
        self.name = name

    def run(self, parsed: argparse.Namespace) -> None:
        """Call the function, which may have a parameter for what the stage depends on."""
        from fashionbench.pipeline.stage_lock import stage_lock

        # The stage's own code is a dependency: it is hashed first, and imported afterwards.
        with stage_lock(self.name, getattr(parsed, "network", None)) as parsed.dependencies:
            super().run(parsed)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status.

    An error that the user can fix is one line on stderr and status 1. A reader that closes the
    pipe, as ``head`` does, ends the command without a word.
    """
    # Closed by the caller (>&-): whatever is written goes nowhere.
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            # File names may hold any bytes, and terminals may know ASCII only.
            stream.reconfigure(errors="backslashreplace")
    given = sys.argv[1:] if arguments is None else arguments
    # A picture whose name begins with a dash is no option.
    given = [f"./{part}" if part[:1] == "-" and os.path.lexists(part) else part for part in given]
    try:
        return _run(_parser().parse_args(given))
    except BrokenPipeError:
        if not _is_unread():
            raise
        return CLOSED_PIPE
    finally:
        for stream in (sys.stdout, sys.stderr):
            _flush(stream)


def _run(parsed: argparse.Namespace) -> int:
    parsed.start = Path.cwd()
    with prepared_process() as asked:
        try:
            if not parsed.command.anywhere:
                os.chdir(find_repository(parsed.start))
            parsed.command.run(parsed)
            sys.stdout.flush()
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - see Asked.
            if not asked.to_end_by:
                return _report(error)
            from fashionbench.terminal import show_cursor

            show_cursor()
            how = "interrupted" if asked.to_end_by == signal.SIGINT else "terminated"
            sys.stderr.write(f"fashionbench: {how}\n")
            return 128 + asked.to_end_by
        finally:
            os.chdir(parsed.start)
    return 0


def _report(error: BaseException) -> int:
    """Say in one line what went wrong, and return the status; raise again what is a bug."""
    if (
        not isinstance(error, (FashionbenchError, OSError, ImportError))
        or (isinstance(error, BrokenPipeError) and _is_unread())
        or (isinstance(error, ImportError) and not _missing(error))
        or os.environ.get(DEBUG_VARIABLE)
    ):
        raise error
    sys.stderr.write(f"fashionbench: error: {_describe(error)}\n")
    if os.environ.get("DVC_EXP_NAME") and not isinstance(error, ImportError):
        # A queued experiment has no terminal; its user looks for the reason in MLflow.
        from fashionbench.tracking.runs import log_failure

        log_failure(_describe(error))
    return 1


def _describe(error: Exception) -> str:
    """Return an error in one line, with a remedy for those of the operating system."""
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return (
            f"{place}{error.strerror}; fix that and run the same command again: it resumes where "
            "it can"
        )
    if isinstance(error, ImportError):
        return _describe_missing(error)
    return " ".join(str(error).split())


def _missing(error: ImportError) -> str:
    """Return the full name of the module that is not there; empty if it is something else."""
    if isinstance(error, ModuleNotFoundError):
        return str(error.name)
    # "from package import module".
    found = re.match(r"cannot import name '(\w+)' from '(\w+(?:\.\w+)+)'", str(error))
    is_package = Path(error.path or "").name == "__init__.py"
    return f"{found[2]}.{found[1]}" if found and is_package else ""


def _describe_missing(error: ImportError) -> str:
    name = _missing(error)
    if not name.startswith("fashionbench."):
        return (
            f"{sys.executable} has no package {name}; activate the environment "
            "(. .venv/bin/activate), or make it (make install)"
        )
    file = Path("src", *name.split(".")).with_suffix(".py")
    if in_workspace():
        return f"there is no {file}; restore it, or correct the import"
    return describe_not_copied(file)


def _is_unread() -> bool:
    """Tell whether stdout or stderr is a pipe whose reader has gone."""
    poll = select.poll()
    for stream in (sys.stdout, sys.stderr):
        poll.register(stream.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _flush(stream: TextIO) -> None:
    """Write what is left; where that fails, leave nothing for Python to fail on at its end."""
    try:
        stream.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fashionbench",
        description="Compare networks on labelled images, by default a report's eight on "
        "Fashion-MNIST. DVC runs the stages: see dvc.yaml.",
    )
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        line = command.help_line
        # Without defaults: those of the functions hold.
        subparser = subparsers.add_parser(
            name, help=line, description=line, argument_default=argparse.SUPPRESS
        )
        subparser.set_defaults(command=command)
        for declare in command.arguments:
            declare(subparser)
    return parser


def _absolute(path: str) -> Path:
    return Path(os.path.expanduser(path)).absolute()


def _positive(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return int(text)


def _revision(text: str) -> str:
    if not text or re.search(r":|\^\{", text):
        raise argparse.ArgumentTypeError(f"{text!r} names no commit, branch or experiment")
    return text


class _Sentence(argparse.Action):
    """Joins words with spaces."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None) -> None:
        setattr(namespace, self.dest, " ".join(values))


def _argument(*names: str, **options: Any) -> Argument:
    return lambda parser: parser.add_argument(*names, **options)


def _form(name: str, help_line: str) -> Argument:
    return _argument(f"--{name}", dest="form", action="store_const", const=name, help=help_line)


_NETWORKS = _argument(
    "network", nargs="?", default=None, help="a network of params.yaml; none in a study"
)
_REV = _argument(
    "--rev", type=_revision, help="a commit, a branch or an experiment instead of the workspace"
)
_MARKDOWN = _argument("--markdown", action="store_true", help="print Markdown")

_STAGES = (
    Stage("check", "stage: validate params.yaml, data set and claims"),
    Stage("source", "stage: check that FASHIONBENCH_DATA has the files of the data set"),
    Stage(
        "download",
        "stage: download and verify the files of the data set",
        _argument("--from", dest="folder", type=_absolute, help="folder that holds the files"),
    ),
    Stage("duplicates", "stage: count images that occur more than once"),
    Stage("prepare", "stage: split the images into train, validation and test"),
    Stage("train", "stage: train all replicates of a network, or of a study", _NETWORKS),
    Stage("evaluate", "stage: score all replicates of a network, or of a study", _NETWORKS),
    Stage("compare", "stage: tabulate and draw the results of all networks"),
    Stage("report", "stage: judge the report's claims and write the page"),
    Stage("analyse", "stage of a study: judge its claims and draw it"),
    Stage("publish", "stage of a study: copy what the page shows of it"),
)
COMMANDS: dict[str, Command] = {stage.name: stage for stage in _STAGES} | {
    # Without the lock of a stage: the mirror may run beside itself, and has no outputs.
    "mirror": Command("stages.mirror:run", "stage: bring MLflow up to date with DVC's results"),
    "table": Command(
        "commands.look:show_table",
        "print the comparison of the last run or another one, or the differences of several",
        _argument(
            "--rev",
            dest="revs",
            type=_revision,
            metavar="REV",
            nargs="+",
            help="a commit, a branch or an experiment instead of the workspace; of several, what "
            "differs from the first",
        ),
        _MARKDOWN,
    ),
    "verdicts": Command(
        "commands.look:show_verdicts",
        "print the verdicts of the last run, or of another one",
        _REV,
        _MARKDOWN,
    ),
    "page": Command(
        "commands.look:show_page",
        "print the path of the page of the last run, or of another one",
        _REV,
    ),
    "ask": Command(
        "commands.ask:ask",
        "answer a question from the results, such as 'n5_batch_norm - n2_mlp > 1 point'",
        _argument(
            "text",
            metavar="question",
            nargs="+",
            action=_Sentence,
            help="in words as above, on IMAGES or a class, with a loss",
        ),
        _form("json", "print JSON, with every seed"),
        _form("markdown", "print Markdown"),
    ),
    "judge": Command(
        "commands.judge:judge",
        "judge claims about the runs of any project: a CSV file, or an MLflow experiment",
        _argument("claims", type=Path, help="claims in YAML, about metrics by their names"),
        _argument(
            "runs",
            help="FILE.csv with a row per run; ADDRESS#EXPERIMENT; or an experiment in "
            "MLFLOW_TRACKING_URI",
        ),
        _argument("--model", help="the column, parameter or tag of the model"),
        _argument("--seed", help="the column, parameter or tag that pairs runs"),
        _argument("--page", type=Path, help="write a page with all effects to this file"),
        _MARKDOWN,
        anywhere=True,
    ),
    "predict": Command(
        "commands.predict:predict",
        "classify images with the best network, or with another one",
        _argument("images", nargs="+", metavar="IMAGE", help="a picture, or a folder of pictures"),
        _argument("--network", help="a network instead of the best of all"),
        _form("json", "print JSON, with all probabilities"),
        _form("csv", "print CSV"),
    ),
    "dataset": Command(
        "commands.add_dataset:add",
        "add images of your own to datasets.yaml",
        _argument("action", choices=["add"], help="what to do"),
        _argument("name", help="how the data set is called in datasets.yaml"),
        _argument(
            "folder",
            type=_absolute,
            help="a folder with IDX files, or with a folder of pictures for each class; or an .npz",
        ),
        _argument("--size", metavar="HEIGHTxWIDTH", help="resize pictures to so many pixels"),
    ),
    "prefill": Command(
        "commands.prefill:prefill", "train all networks at once, ahead of dvc repro"
    ),
    "worker": Command(
        "commands.worker:become_worker",
        "join a Dask cluster as a worker",
        _argument("scheduler", help="the address of Dask's scheduler, such as tcp://host:8786"),
        _argument(
            "options", nargs=argparse.REMAINDER, help="options of dask worker, such as --nworkers 8"
        ),
        anywhere=True,
    ),
    "doctor": Command(
        "commands.doctor:examine",
        "report whether this machine makes the committed bits",
        anywhere=True,
    ),
    "verify": Command(
        "commands.verify:verify",
        "run the pipeline in a clean clone and compare every hash",
        _argument("--study", help="a study to run instead of the project's own pipeline"),
        _argument("--lock", type=Path, help="the lock to compare with (dvc.lock)"),
        _argument(
            "--write", action="store_true", help="write that lock instead of comparing with it"
        ),
        _argument(
            "-S",
            dest="settings",
            action="append",
            metavar="NAME=VALUE",
            help="a parameter to run the pipeline with, as for dvc exp run",
        ),
        _argument(
            "--by",
            metavar="URI",
            help="who verifies, for the receipt, such as mailto:me@example.org",
        ),
    ),
    "receipts": Command(
        "commands.receipts:show",
        "list on which processors results were remade",
        _argument("receipts", nargs="*", type=_absolute, metavar="RECEIPT", help="by default all"),
        _argument("--check", action="store_true", help="refuse receipts that git contradicts"),
        _argument(
            "--rerun",
            type=_positive,
            metavar="N",
            help="check, and train N replicates of each again, chosen at random",
        ),
    ),
}
"""All commands by name, in the order of ``--help``."""
