"""The results of a study as typed records, and the file that holds them."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from fashionbench.analysis.conditions import Unit
from fashionbench.analysis.result_files import parse_result, read_result
from fashionbench.analysis.verdict_records import ArmRecord, Ends
from fashionbench.params import LossInput
from fashionbench.paths import METRICS_DIR

RECORD_FILE = METRICS_DIR / "study.json"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EffectRecord(_Record):
    """A quantity that a study gives without a claim: single seeds, their mean and 95% interval.

    ``unit`` is None for a value of a factor.
    """

    name: str
    unit: Unit | None
    values: tuple[float, ...]
    mean: float
    interval: Ends | None


class FigureRecord(_Record):
    """A figure in FIGURES_DIR by its name, its caption, and its text for screen readers."""

    name: str
    caption: str
    alt: str


class StudyArmRecord(_Record):
    """All points with one loss: the study's claims, effects, and the report's own claims.

    ``report`` holds those judged with each of the study's ``report_claims``, in that order.
    """

    claims: ArmRecord
    effects: tuple[EffectRecord, ...]
    report: tuple[ArmRecord, ...]


class StudyRecord(_Record):
    """A study: how much was trained, and what was found with each loss."""

    title: str
    question: str
    points: int
    replicates: int
    arms: dict[LossInput, StudyArmRecord]
    figures: tuple[FigureRecord, ...]

    @property
    def claims(self) -> tuple[int, ...]:
        """Return the numbers of the study's own claims."""
        first = next(iter(self.arms.values()))
        return tuple(record.claim for record in first.claims.claims)


_STUDY = TypeAdapter(StudyRecord)


def write_record(record: StudyRecord) -> None:
    """Write study.json of the study in whose folder the process works."""
    RECORD_FILE.write_bytes(_STUDY.dump_json(record, indent=1) + b"\n")


def read_record(path: Path = RECORD_FILE) -> StudyRecord:
    """Read a study.json; DataError if it is missing or of another version."""
    return parse_result(_STUDY, read_result(path), path)
