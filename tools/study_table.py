"""The README's table of studies: what each asks, what came out, and what it costs."""

from pathlib import Path

from fashionbench.analysis.files import PAGE_FILE
from fashionbench.paths import STUDIES_DIR
from fashionbench.studies.declared import STUDY_FILE, read_study
from fashionbench.studies.published import PUBLISHED_DIR
from fashionbench.studies.records import RECORD_FILE, read_record
from fashionbench.studies.words import summarise


def studies(folder: Path) -> str:
    """Return all studies: their titles, their verdicts once they have been run, their costs."""
    lines = ["| Study | Verdicts | On two cores |", "|---|---|---|"]
    for path in sorted((folder / STUDIES_DIR).glob(f"*/{STUDY_FILE}")):
        declared, name = read_study(path), path.parent.name
        record = folder / PUBLISHED_DIR / name / RECORD_FILE.name
        target, found = f"studies/{name}/{STUDY_FILE}", "not run yet"
        if record.exists():
            target, found = f"studies/{name}/{PAGE_FILE}", summarise(read_record(record))
        lines.append(f"| [{name}]({target}): {declared.title} | {found} | {declared.cost} |")
    return "\n".join(lines)
