"""The results of a study as typed records, the file that holds them, and both in words."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field, TypeAdapter

from fashionbench.analysis.result_files import parse_result, read_result
from fashionbench.claims.language import Unit, conjoin
from fashionbench.claims.verdicts import ArmRecord, Ends, Record, VerdictRecord, count_verdicts
from fashionbench.claims.words import by_verdict, format_ends, name_claims
from fashionbench.messages import counted
from fashionbench.params import LossInput
from fashionbench.paths import METRICS_DIR

RECORD_FILE = METRICS_DIR / "study.json"
MANY = 3
"""On more data sets or splits, only those verdicts are named that differ between them."""


class EffectRecord(Record):
    """A quantity that a study gives without a claim: single seeds, their mean and 95% interval.

    ``unit`` is None for a value of a factor.
    """

    name: str
    unit: Unit | None
    values: tuple[float, ...]
    mean: float
    interval: Ends | None


class FigureRecord(Record):
    """A figure in FIGURES_DIR by its name, its caption, and its text for screen readers."""

    name: str
    caption: str
    alt: str


class StudyArmRecord(Record):
    """All points with one loss: the study's claims, effects, and the report's own claims.

    ``report`` holds those judged with each of the study's ``report_claims``, in that order, and
    ``transferred`` those judged on each of its data sets or splits, by name.
    """

    claims: ArmRecord
    effects: tuple[EffectRecord, ...]
    report: tuple[ArmRecord, ...]
    transferred: dict[str, ArmRecord] = Field(default_factory=dict)


class DatasetRecord(Record):
    """A data set of a study, or a split: title, numbers of images, and whether it is missing."""

    title: str
    train_size: int
    val_size: int
    is_missing: bool


class StudyRecord(Record):
    """A study: how much was trained, and what was found with each loss.

    ``datasets`` are those of its own and those on which it judges the report's claims, by name; so
    are splits.
    """

    title: str
    question: str
    points: int
    replicates: int
    arms: dict[LossInput, StudyArmRecord]
    figures: tuple[FigureRecord, ...]
    datasets: dict[str, DatasetRecord] = Field(default_factory=dict)

    @property
    def missing(self) -> list[str]:
        """Return the titles of the data sets that could not be had."""
        return [one.title for one in self.datasets.values() if one.is_missing]

    @property
    def claims(self) -> tuple[str, ...]:
        """Return the numbers of the study's own claims."""
        first = next(iter(self.arms.values()))
        return tuple(record.claim for record in first.claims.claims)


_STUDY = TypeAdapter(StudyRecord)


def write_record(record: StudyRecord) -> None:
    """Write study.json of the study in whose folder the process works."""
    RECORD_FILE.write_bytes(_STUDY.dump_json(record, indent=1) + b"\n")


def read_record(path: Path = RECORD_FILE, rev: str | None = None) -> StudyRecord:
    """Read a study.json, or that of ``rev``; DataError if it is missing or of another version."""
    return parse_result(_STUDY, read_result(path, rev), path)


def describe_effect(effect: EffectRecord) -> str:
    """Format an effect and its 95% interval, such as ``0.42 points [0.11, 0.73] (5 seeds)``."""
    if effect.unit is None:
        text = f"{effect.mean:.3g}"
        ends = f"[{', '.join(f'{end:.3g}' for end in effect.interval)}]" if effect.interval else ""
    else:
        text = f"{100 * effect.mean:.2f} points"
        ends = format_ends(effect.unit, effect.interval) if effect.interval else ""
    return f"{text} {ends}".strip() + f" ({counted(len(effect.values), 'seed')})"


def describe_more_seeds(fewer: ArmRecord, more: ArmRecord) -> str:
    """Say which claims that ``fewer`` seeds leave open ``more`` decide, and which they overturn."""
    pairs = zip(fewer.claims, more.claims, strict=True)
    changed = [(old, new) for old, new in pairs if old.verdict != new.verdict]
    decided = [new for old, new in changed if old.verdict == "inconclusive"]
    overturned = [new for old, new in changed if old.verdict != "inconclusive"]
    first = (
        f"{name_claims(decided, more.seeds)}, which {fewer.seeds} leave open,"
        if decided
        else f"none of the claims that {fewer.seeds} leave open,"
    )
    second = f"the verdict on {name_claims(overturned, more.seeds)}" if overturned else "no verdict"
    return f"{more.seeds} seeds decide {first} and overturn {second}."


def verdicts_by_loss(record: StudyRecord) -> dict[LossInput, str]:
    """Give the verdicts by loss: on which own claims, or else on how many of the report's."""

    def describe(arm: StudyArmRecord) -> str:
        if record.claims:
            return by_verdict((one.claim, one.verdict) for one in arm.claims.claims)
        return _compared(arm.transferred) if record.datasets else _counted(arm.report[-1].claims)

    return {name: describe(arm) for name, arm in record.arms.items()}


def describe_missing(record: StudyRecord) -> str:
    """Say which data sets the study lacks; empty if it has all."""
    if not record.missing:
        return ""
    them = "it" if len(record.missing) == 1 else "them"
    return f"{conjoin(record.missing)} could not be had here, so nothing is said about {them}."


def summarise(record: StudyRecord) -> str:
    """Give the verdicts of a study in one line."""
    found = verdicts_by_loss(record)
    if len(set(found.values())) == 1 and len(found) > 1:
        return f"{next(iter(found.values()))} (with either loss)"
    return "; ".join(f"{text} ({name})" for name, text in found.items())


def _compared(judged: Mapping[str, ArmRecord]) -> str:
    """Count the verdicts on each data set or split; of MANY, say which are not the same on all."""
    if len(judged) <= MANY:
        return ", ".join(f"on {name} {_counted(found.claims)}" for name, found in judged.items())
    rows = [*zip(*(found.claims for found in judged.values()), strict=True)]
    differing = [row[0].claim for row in rows if len({one.verdict for one in row}) > 1]
    same = f"{len(rows) - len(differing)} of {len(rows)} verdicts are the same on all {len(judged)}"
    return f"{same}, not those on {conjoin(differing)}" if differing else same


def _counted(claims: Sequence[VerdictRecord]) -> str:
    return ", ".join(f"{count} {name}" for name, count in count_verdicts(claims).items() if count)
