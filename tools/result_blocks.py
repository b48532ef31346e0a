"""Blocks of README.md and docs/ from results: studies, the model card, repeated images."""

import json
from pathlib import Path
from typing import get_args

from fashionbench.analysis.model_card import read_champion, write_card
from fashionbench.analysis.result_files import DUPLICATES_FILE, PAGE_FILE
from fashionbench.params import LossInput, load_params
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


def model_card(folder: Path) -> str:
    """Return the model card of the champion."""
    return write_card(read_champion(folder), load_params(folder / "params.yaml"))


def duplicates(folder: Path) -> str:
    """Return how many images occur more than once."""
    found = json.loads((folder / DUPLICATES_FILE).read_text(encoding="utf-8"))
    return (
        f"- {found['train']:,} training images repeat an earlier one, and {found['test']:,} test "
        "images;\n"
        f"- {found['in_both']:,} test images are training images too, {found['other_label']:,} of "
        "them with another label there."
    )
