"""The command line: ``fashionbench`` and, in dvc.yaml, ``python -m fashionbench``."""

import argparse
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from fashionbench.errors import FashionbenchError

DEBUG_VARIABLE = "FASHIONBENCH_DEBUG"
INTERRUPTED = 130
"""The exit status of a command that Ctrl-C ended: 128 and the signal's number, as in shells."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; a user's error becomes one line on stderr and exit status 1."""
    parsed = _parser().parse_args(arguments)
    # Nothing is sent anywhere, and MLflow's own messages stay out of the progress display.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    logger = logging.getLogger("fashionbench")
    logger.setLevel(logging.INFO)
    logger.addHandler(logging.StreamHandler())
    try:
        parsed.command(parsed)
    except FashionbenchError as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        sys.stderr.write(f"fashionbench: error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("fashionbench: interrupted\n")
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fashionbench",
        description="Eight networks on Fashion-MNIST, compared. DVC runs the stages: see dvc.yaml.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, help_line: str, command: Callable[[argparse.Namespace], None]) -> None:
        subparser = commands.add_parser(name, help=help_line, description=help_line)
        subparser.set_defaults(command=command)
        if name == "download":
            subparser.add_argument(
                "--from", dest="folder", type=Path, help="folder that holds the four files"
            )
        if name in ("train", "evaluate"):
            subparser.add_argument("network", help="a network declared in params.yaml")
        if name == "table":
            subparser.add_argument(
                "--rev", help="a commit, a branch or an experiment instead of the workspace"
            )
            subparser.add_argument("--markdown", action="store_true", help="print Markdown")

    add("download", "stage: fetch and verify the official files", _download)
    add("prepare", "stage: split them into train, validation and test images", _prepare)
    add("train", "stage: train all replicates of a network", _train)
    add("evaluate", "stage: score all replicates of a network", _evaluate)
    add("compare", "stage: table and figures of all networks", _compare)
    add("table", "print the comparison of the last run, or of another one", _table)
    return parser


# Each command imports what it needs when it runs: torch and mlflow take seconds.


def _download(parsed: argparse.Namespace) -> None:
    from fashionbench.stages import download

    download.run(parsed.folder)


def _prepare(_: argparse.Namespace) -> None:
    from fashionbench.stages import prepare

    prepare.run()


def _train(parsed: argparse.Namespace) -> None:
    from fashionbench.stages import train

    train.run(parsed.network)


def _evaluate(parsed: argparse.Namespace) -> None:
    from fashionbench.stages import evaluate

    evaluate.run(parsed.network)


def _compare(_: argparse.Namespace) -> None:
    from fashionbench.stages import compare

    compare.run()


def _table(parsed: argparse.Namespace) -> None:
    from fashionbench import table

    table.show(parsed.rev, markdown=parsed.markdown)
