"""The commands ``table``, ``verdicts`` and ``page``: what a run has found, and where it is shown.

They show the project or, in its folder, a study: as the workspace has them, or another revision.
"""

import io
import math
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from fashionbench.analysis.result_files import PAGE_FILE, read_result
from fashionbench.analysis.statistics import estimate
from fashionbench.claims.verdicts import VerdictsByArm, read_verdicts
from fashionbench.errors import DataError
from fashionbench.files import replace_file
from fashionbench.messages import counted
from fashionbench.paths import network_table, project_folder, study, study_folder
from fashionbench.terminal import open_console, print_table

PREVIEWS_DIR = Path("previews")
"""At the top of the project: pages of other revisions. Not in git."""
_SPLITS = {"validation": "val", "test": "test"}


def show_table(revs: Sequence[str | None] = (None,), *, markdown: bool = False) -> None:
    """Print the comparison, and where its runs and its page are; of several, what differs.

    Raises DataError for a revision without one.
    """
    from fashionbench.analysis.comparison import print_comparison
    from fashionbench.tracking.address import print_view_addresses

    rev, *others = revs
    if others:
        _show_sweep([str(name) for name in revs], markdown=markdown)
        return
    print_comparison(rev, markdown=markdown)
    if markdown:
        return
    if study():
        _say("")
        show_verdicts(rev)
        return
    print_view_addresses()
    _say(f"Verdicts and figures: {_page_of(rev)}")


def _show_sweep(revs: Sequence[str], *, markdown: bool) -> None:
    """Print the networks whose scores differ from those of the first revision, and by how much.

    Differences are means over the seeds that both have, with 95% intervals.
    """
    tables = {rev: _scores(rev) for rev in revs}
    first, *others = revs
    rows = []
    for name in dict.fromkeys(name for found in tables.values() for name in found):
        before = tables[first].get(name)
        changed = [
            (rev, table)
            for rev in others
            if (table := tables[rev].get(name)) is not None
            and (before is None or not table.equals(before))
        ]
        if changed and before is not None:
            changed = [(first, before), *changed]
        for rev, table in changed:
            rows.append((name, rev, *_cells(table, None if rev == first else before)))
    headings = ("Network", "Revision", *(f"{split.capitalize()} accuracy %" for split in _SPLITS))
    if not rows:
        _say(f"No network has other scores than in {first}")
    elif markdown:
        lines = [headings, ["---"] * len(headings), *rows]
        _say("\n".join(f"| {' | '.join(line)} |" for line in lines))
    else:
        title = f"Mean, and in brackets the difference from {first} with its 95% interval"
        print_table(open_console(), headings, rows, title=title)


def _scores(rev: str) -> dict[str, pd.DataFrame]:
    """Read the accuracies of a revision, by network: one row per seed, one column per split."""
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from scmrepo.exceptions import SCMError

    try:
        files = DVCFileSystem(rev=rev)
        found = sorted(files.glob((study_folder() / network_table("*", "scores")).as_posix()))
        texts = {Path(path).parent.name: files.read_text(path) for path in found}
    except (DvcException, SCMError, OSError) as error:
        raise DataError(f"{rev!r} has no scores ({error}); see dvc exp list") from error
    if not texts:
        raise DataError(f"{rev!r} has no scores; dvc exp list names the experiments")
    return {
        name: pd.read_csv(io.StringIO(text)).pivot(index="seed", columns="split", values="accuracy")
        for name, text in texts.items()
        if text  # Else the study could not get the network's data set.
    }


def _cells(table: pd.DataFrame, before: pd.DataFrame | None) -> Iterator[str]:
    for split in _SPLITS.values():
        text = f"{100 * table[split].mean():.2f}"
        difference = [] if before is None else (table[split] - before[split]).dropna().tolist()
        if difference:
            found = estimate(difference)
            text += f" ({100 * found.mean:+.2f}"
            if not math.isnan(found.low):
                text += f" [{100 * found.low:.2f}, {100 * found.high:.2f}]"
            text += ")"
        yield text


def show_verdicts(rev: str | None = None, *, markdown: bool = False) -> None:
    """Print the verdicts, and the project's explanations. Raises DataError if there are none."""
    from fashionbench.analysis.explanations import print_explanations
    from fashionbench.claims.language import datasets_of_claims
    from fashionbench.claims.words import print_verdicts, why_not_judged

    arms, missing = _verdicts_of_study(rev) if study() else (read_verdicts(rev), "")
    if any(arm.claims for arm in arms.values()):
        print_verdicts(arms, markdown=markdown)
    else:
        _say(why_not_judged(datasets_of_claims()))
    if missing:
        _say(missing)
    if not markdown:
        _say(f"Effects, intervals and figures: {_page_of(rev)}\n")
    if not study():
        print_explanations(rev, markdown=markdown)


def show_page(rev: str | None = None) -> None:
    """Print the path of the page; that of ``rev`` is written to PREVIEWS_DIR. Raises DataError."""
    path = study_folder() / PAGE_FILE
    text = read_result(PAGE_FILE, rev)
    if rev:
        path = (
            PREVIEWS_DIR
            / re.sub(r"[^\w.-]+", "_", rev).strip(".")
            / study_folder()
            / PAGE_FILE.name
        )
        replace_file(project_folder() / path, text.encode())
    _say(str((project_folder() / path).resolve()))


def _verdicts_of_study(rev: str | None) -> tuple[VerdictsByArm, str]:
    """Return the verdicts on a study's own claims, or else those on the report's.

    Those on the report's are of each data set, or with each number of seeds. Return also a note on
    data sets that could not be downloaded, if there are any.
    """
    from fashionbench.studies.records import RECORD_FILE, describe_missing, read_record

    record = read_record(RECORD_FILE, rev)
    arms, missing = record.arms, describe_missing(record)
    if any(arm.claims.claims for arm in arms.values()):
        return {name: arm.claims for name, arm in arms.items()}, missing
    on_datasets = {
        f"{name}, {dataset}": found
        for name, arm in arms.items()
        for dataset, found in arm.transferred.items()
    }
    with_seeds = {
        f"{name}, {counted(report.seeds, 'seed')}": report
        for name, arm in arms.items()
        for report in arm.report
    }
    return on_datasets or with_seeds, missing


def _page_of(rev: str | None) -> str:
    return f"fashionbench page --rev {rev}" if rev else str(study_folder() / PAGE_FILE)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
