"""The command line: ``fashionbench`` and, in dvc.yaml, ``python -m fashionbench``."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from fashionbench.errors import FashionbenchError

if TYPE_CHECKING:
    from fashionbench.pipeline.dependencies import Dependencies

DEBUG_VARIABLE = "FASHIONBENCH_DEBUG"
INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM
"""The exit status of a command that a signal ended: 128 and its number, as in shells."""


class Terminated(KeyboardInterrupt):
    """SIGTERM: the stage ends as it does after Ctrl-C, workers, runs and temporary files too."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; what its user can mend becomes one line on stderr and exit status 1."""
    parsed = _parser().parse_args(arguments)
    # Nothing is sent anywhere, and MLflow's own messages stay out of the progress display.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # MLflow's own patience with a server that does not answer is a quarter of an hour.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    logger = logging.getLogger("fashionbench")
    logger.setLevel(logging.INFO)
    logger.addHandler(logging.StreamHandler())
    signal.signal(signal.SIGTERM, _raise_terminated)
    try:
        parsed.command(parsed)
    except (FashionbenchError, OSError) as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        sys.stderr.write(f"fashionbench: error: {_describe(error)}\n")
        if os.environ.get("DVC_EXP_NAME"):
            # What runs in DVC's queue has no terminal, so a stage's user looks for it in MLflow.
            from fashionbench.tracking.failures import log_failure

            log_failure(_describe(error))
        return 1
    except Terminated:
        sys.stderr.write("fashionbench: terminated\n")
        return TERMINATED
    except KeyboardInterrupt:
        sys.stderr.write("fashionbench: interrupted\n")
        return INTERRUPTED
    return 0


def _raise_terminated(*_: object) -> None:
    raise Terminated


def _describe(error: Exception) -> str:
    """One line; of the system's errors, which are a full disk or a file nobody may write."""
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return (
            f"{place}{error.strerror}; mend that and run the same command again, it goes on where "
            "it can"
        )
    return " ".join(str(error).split())


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
        if name == "predict":
            subparser.add_argument(
                "images", nargs="+", type=Path, metavar="IMAGE", help="a PNG or JPEG file"
            )
            subparser.add_argument("--network", help="a network instead of the best of all")
        if name in ("table", "verdicts"):
            subparser.add_argument(
                "--rev", help="a commit, a branch or an experiment instead of the workspace"
            )
            subparser.add_argument("--markdown", action="store_true", help="print Markdown")
        if name == "keep":
            subparser.add_argument("experiment", help="an experiment, a commit or a branch")
            subparser.add_argument(
                "folder", type=Path, help="below studies/; what it holds is replaced"
            )
        if name == "verify":
            subparser.add_argument(
                "--lock", type=Path, default="dvc.lock", help="the lock to compare with (dvc.lock)"
            )
            subparser.add_argument(
                "--write", action="store_true", help="make that lock instead of comparing with it"
            )
            subparser.add_argument(
                "-S",
                dest="settings",
                action="append",
                default=[],
                metavar="NAME=VALUE",
                help="a parameter to run the pipeline with, as of dvc exp run",
            )

    add("check", "stage: refuse a params.yaml that cannot be trained", _check)
    add("download", "stage: fetch and verify the official files", _download)
    add("prepare", "stage: split them into train, validation and test images", _prepare)
    add("train", "stage: train all replicates of a network", _train)
    add("evaluate", "stage: score all replicates of a network", _evaluate)
    add("compare", "stage: table and figures of all networks", _compare)
    add("report", "stage: the verdicts on the report's claims, and the page", _report)
    add("verdicts", "print the verdicts of the last run, or of another one", _verdicts)
    add("keep", "keep lock and tables of an experiment in a folder", _keep)
    add("mirror", "stage: make MLflow show what DVC holds", _mirror)
    add("table", "print the comparison of the last run, or of another one", _table)
    add("predict", "classify pictures with the best network, or with another one", _predict)
    add("verify", "run the pipeline in a clean clone and compare every hash", _verify)
    return parser


# Each command imports what it needs when it runs: torch and mlflow take seconds. A stage's code is
# imported once its dependencies, which it is one of, are on record.


def _stage_lock(stage: str, network: str | None = None) -> AbstractContextManager["Dependencies"]:
    from fashionbench.pipeline.stage_lock import stage_lock

    return stage_lock(stage, network)


def _check(_: argparse.Namespace) -> None:
    with _stage_lock("check"):
        from fashionbench.stages import check

        check.run()


def _download(parsed: argparse.Namespace) -> None:
    with _stage_lock("download"):
        from fashionbench.stages import download

        download.run(parsed.folder)


def _prepare(_: argparse.Namespace) -> None:
    with _stage_lock("prepare"):
        from fashionbench.stages import prepare

        prepare.run()


def _train(parsed: argparse.Namespace) -> None:
    with _stage_lock("train", parsed.network) as dependencies:
        from fashionbench.stages import train

        train.run(parsed.network, dependencies)


def _evaluate(parsed: argparse.Namespace) -> None:
    with _stage_lock("evaluate", parsed.network):
        from fashionbench.stages import evaluate

        evaluate.run(parsed.network)


def _compare(_: argparse.Namespace) -> None:
    with _stage_lock("compare"):
        from fashionbench.stages import compare

        compare.run()


def _report(_: argparse.Namespace) -> None:
    with _stage_lock("report") as dependencies:
        from fashionbench.stages import report

        report.run(dependencies)


def _verdicts(parsed: argparse.Namespace) -> None:
    from fashionbench.analysis import explanations, verdict_table

    verdict_table.show(parsed.rev, markdown=parsed.markdown)
    explanations.show(parsed.rev, markdown=parsed.markdown)


def _keep(parsed: argparse.Namespace) -> None:
    from fashionbench.commands.keep import keep_study

    keep_study(parsed.experiment, parsed.folder)


def _mirror(_: argparse.Namespace) -> None:
    from fashionbench.stages import mirror

    mirror.run()


def _table(parsed: argparse.Namespace) -> None:
    from fashionbench.analysis import comparison_table

    comparison_table.show(parsed.rev, markdown=parsed.markdown)


def _predict(parsed: argparse.Namespace) -> None:
    from fashionbench.commands import predict

    predict.predict(parsed.images, parsed.network)


def _verify(parsed: argparse.Namespace) -> None:
    from fashionbench.commands import verify

    check = verify.write_lock if parsed.write else verify.verify
    check(parsed.lock, parsed.settings)
