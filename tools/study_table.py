"""The README's table of studies: what each asks, what came out, and what it costs."""

from pathlib import Path
from typing import get_args

from fashionbench.analysis.files import PAGE_FILE
from fashionbench.params import LossInput
from fashionbench.paths import STUDIES_DIR
from fashionbench.studies.design import STUDY_FILE, read_study
from fashionbench.studies.published import PUBLISHED_DIR
from fashionbench.studies.records import RECORD_FILE, read_record, verdicts_by_loss

LOSSES = get_args(LossInput)


def studies(folder: Path) -> str:
    """Return all studies: titles, verdicts by loss once they have been run, costs."""
    columns = ("Study", *(f"With {loss_input}" for loss_input in LOSSES), "On two cores")
    lines = [_row(*columns), "|---" * len(columns) + "|"]
    for path in sorted((folder / STUDIES_DIR).glob(f"*/{STUDY_FILE}")):
        declared, name = read_study(path), path.parent.name
        record = folder / PUBLISHED_DIR / name / RECORD_FILE.name
        target, found = Path(STUDY_FILE), dict.fromkeys(declared.losses, "not run yet")
        if record.exists():
            target, found = PAGE_FILE, verdicts_by_loss(read_record(record))
        link = f"[{name}]({(STUDIES_DIR / name / target).as_posix()})"
        verdicts = [found.get(loss_input, "") for loss_input in LOSSES]
        lines.append(_row(f"{link}: {declared.title}", *verdicts, declared.cost))
    return "\n".join(lines)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
