"""The command line: ``fashionbench`` and, in dvc.yaml, ``bin/fashionbench``."""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from fashionbench.errors import FashionbenchError
from fashionbench.pipeline.launch import Terminated, prepared_process
from fashionbench.repository import find_repository

DEBUG_VARIABLE = "FASHIONBENCH_DEBUG"
INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM
"""Exit statuses of a command that a signal ended: 128 and its number, as in shells."""

Argument = Callable[[argparse.ArgumentParser], object]
"""Declares an argument of a command."""


class Command:
    """A command: its line in ``--help``, the function that runs it, and its arguments.

    It runs at the top of the repository, or ``anywhere``.
    """

    def __init__(
        self,
        help_line: str,
        run: Callable[[argparse.Namespace], None],
        *arguments: Argument,
        anywhere: bool = False,
    ) -> None:
        self.help_line, self.run, self.arguments = help_line, run, arguments
        self.anywhere = anywhere


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status.

    An error that the user can fix is one line on stderr and status 1.
    """
    parsed = _parser().parse_args(arguments)
    parsed.start = Path.cwd()
    try:
        with prepared_process():
            if not parsed.command.anywhere:
                os.chdir(find_repository(parsed.start))
            parsed.command.run(parsed)
    except (FashionbenchError, OSError, ModuleNotFoundError) as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        sys.stderr.write(f"fashionbench: error: {_describe(error)}\n")
        if os.environ.get("DVC_EXP_NAME") and not isinstance(error, ModuleNotFoundError):
            # A queued experiment has no terminal; its user looks for the reason in MLflow.
            from fashionbench.tracking.failures import log_failure

            log_failure(_describe(error))
        return 1
    except Terminated:
        sys.stderr.write("fashionbench: terminated\n")
        return TERMINATED
    except KeyboardInterrupt:
        sys.stderr.write("fashionbench: interrupted\n")
        return INTERRUPTED
    finally:
        os.chdir(parsed.start)
    return 0


def _describe(error: Exception) -> str:
    """Return an error in one line, with a remedy for those of the operating system."""
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return (
            f"{place}{error.strerror}; fix that and run the same command again, it continues where "
            "it can"
        )
    if isinstance(error, ModuleNotFoundError):
        return (
            f"{sys.executable} has no package {error.name}; activate the environment "
            "(. .venv/bin/activate), or make it (make install)"
        )
    return " ".join(str(error).split())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fashionbench",
        description="Compare eight networks on Fashion-MNIST. DVC runs the stages: see dvc.yaml.",
    )
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        line = command.help_line
        subparser = subparsers.add_parser(name, help=line, description=line)
        subparser.set_defaults(command=command)
        for declare in command.arguments:
            declare(subparser)
    return parser


# Commands import what they need when they run, since torch and MLflow take seconds.


def _stage(name: str, *arguments: str, module: str = "") -> Callable[[argparse.Namespace], None]:
    """Return a function that runs a stage with the named command-line arguments.

    ``module`` has the stage's code if it is not named as the stage.
    """

    def run(parsed: argparse.Namespace) -> None:
        from fashionbench.pipeline.stage_lock import stage_lock

        # The stage's own code is a dependency: it is hashed first, and imported afterwards.
        with stage_lock(name, getattr(parsed, "network", None)) as dependencies:
            stage = import_module(f"fashionbench.stages.{module or name}")
            values = {"dependencies": dependencies} | vars(parsed)
            stage.run(*(values[argument] for argument in arguments))

    return run


def _mirror(_: argparse.Namespace) -> None:
    # Without the stage lock: the mirror may run beside itself, and has no outputs.
    from fashionbench.stages import mirror

    mirror.run()


def _verdicts(parsed: argparse.Namespace) -> None:
    from fashionbench.analysis.explanation_words import print_explanations
    from fashionbench.analysis.verdict_table import print_verdicts

    print_verdicts(parsed.rev, markdown=parsed.markdown)
    print_explanations(parsed.rev, markdown=parsed.markdown)


def _table(parsed: argparse.Namespace) -> None:
    from fashionbench.analysis.comparison_table import print_comparison

    print_comparison(parsed.rev, markdown=parsed.markdown)
    if not parsed.markdown:
        from fashionbench.tracking.view_address import print_view_address

        print_view_address()


def _prefill(_: argparse.Namespace) -> None:
    from fashionbench.commands.prefill import prefill

    prefill()


def _worker(parsed: argparse.Namespace) -> None:
    from fashionbench.commands.worker import become_worker

    become_worker(parsed.scheduler, parsed.options)


def _predict(parsed: argparse.Namespace) -> None:
    from fashionbench.commands.predict import predict

    predict(parsed.images, parsed.network, parsed.form, parsed.start)


def _doctor(_: argparse.Namespace) -> None:
    from fashionbench.commands.doctor import examine

    examine()


def _verify(parsed: argparse.Namespace) -> None:
    from fashionbench.commands import verify
    from fashionbench.paths import project_folder, study

    # In the folder of a study it is that study which is meant.
    name = parsed.study or study()
    os.chdir(project_folder())
    run = verify.write_lock if parsed.write else verify.verify
    run(parsed.lock, parsed.settings, name)


def _absolute(path: str) -> Path:
    return Path(path).absolute()


def _argument(*names: str, **options: Any) -> Argument:
    return lambda parser: parser.add_argument(*names, **options)


_NETWORK = _argument("network", help="a network declared in params.yaml")
_REV = _argument("--rev", help="a commit, a branch or an experiment instead of the workspace")
_MARKDOWN = _argument("--markdown", action="store_true", help="print Markdown")

COMMANDS = {
    "check": Command("stage: validate params.yaml", _stage("check")),
    "download": Command(
        "stage: download and verify the official files",
        _stage("download", "folder"),
        _argument("--from", dest="folder", type=_absolute, help="folder that holds the four files"),
    ),
    "duplicates": Command("stage: count images that occur more than once", _stage("duplicates")),
    "prepare": Command(
        "stage: split the images into train, validation and test", _stage("prepare")
    ),
    "train": Command(
        "stage: train all replicates of a network",
        _stage("train", "network", "dependencies"),
        _NETWORK,
    ),
    "evaluate": Command(
        "stage: score all replicates of a network", _stage("evaluate", "network"), _NETWORK
    ),
    "robustness": Command(
        "stage: score all replicates of a network on corrupted images",
        _stage("robustness", "network"),
        _NETWORK,
    ),
    "compare": Command("stage: tabulate and draw the results of all networks", _stage("compare")),
    "report": Command("stage: judge the report's claims and write the page", _stage("report")),
    "train-all": Command(
        "stage of a study: train all replicates of all its networks",
        _stage("train", "dependencies", module="train_all"),
    ),
    "evaluate-all": Command(
        "stage of a study: score all replicates of all its networks",
        _stage("evaluate", module="evaluate_all"),
    ),
    "analyse": Command("stage of a study: judge its claims and draw it", _stage("analyse")),
    "publish": Command("stage of a study: copy what the page shows of it", _stage("publish")),
    "mirror": Command("stage: bring MLflow up to date with DVC's results", _mirror),
    "table": Command(
        "print the comparison of the last run, or of another one", _table, _REV, _MARKDOWN
    ),
    "verdicts": Command(
        "print the verdicts of the last run, or of another one", _verdicts, _REV, _MARKDOWN
    ),
    "predict": Command(
        "classify images with the best network, or with another one",
        _predict,
        _argument("images", nargs="+", type=Path, metavar="IMAGE", help="a picture of an article"),
        _argument("--network", help="a network instead of the best of all"),
        _argument(
            "--json",
            dest="form",
            action="store_const",
            const="json",
            default="text",
            help="print JSON, with all probabilities",
        ),
        _argument("--csv", dest="form", action="store_const", const="csv", help="print CSV"),
    ),
    "prefill": Command("train all networks at once, ahead of dvc repro", _prefill),
    "worker": Command(
        "train for others, as a worker of a Dask cluster",
        _worker,
        _argument("scheduler", help="the address of Dask's scheduler, such as tcp://host:8786"),
        _argument("options", nargs=argparse.REMAINDER, help="of dask worker, such as --nworkers 8"),
        anywhere=True,
    ),
    "doctor": Command(
        "report whether this machine makes the committed bits", _doctor, anywhere=True
    ),
    "verify": Command(
        "run the pipeline in a clean clone and compare every hash",
        _verify,
        _argument("--study", help="a study to run instead of the project's own pipeline"),
        _argument(
            "--lock", type=Path, default="dvc.lock", help="the lock to compare with (dvc.lock)"
        ),
        _argument("--write", action="store_true", help="create that lock instead"),
        _argument(
            "-S",
            dest="settings",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="a parameter to run the pipeline with, as for dvc exp run",
        ),
    ),
}
"""All commands by name, in the order of ``--help``."""
