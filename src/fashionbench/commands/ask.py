"""The command ``fashionbench ask``: answers a question in one line from the scores that are kept.

It is judged as a claim is, in a family of its own; nothing is trained, and nothing is written. Such
as ``n5_batch_norm - n2_mlp > 1 point on Shirt with logits``::

    question = [value] network ["-" network] bound {"on" images} ["with" loss]
    value    = "accuracy" | "loss" | "gap" (of train over scored images), of accuracy if left out
    network  = one of params.yaml, or a study and a configuration of it: STUDY/NAME
    bound    = ("above" | ">" | "below" | "<") amount | "in" "[" amount "," amount "]"
    amount   = number ["%" | "point" | "points" | "nats"]
    images   = "validation" (if left out) | "test" | a class
    loss     = "probabilities" | "logits"
"""

import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from fashionbench.analysis.results import Results, ScoredSplit, class_names, read_correct
from fashionbench.analysis.statistics import Flags
from fashionbench.claims import words
from fashionbench.claims.judging import judge
from fashionbench.claims.language import DeclaredClaim, Unit, conjoin
from fashionbench.claims.quantities import make_claims
from fashionbench.claims.verdicts import VerdictRecord
from fashionbench.errors import ConfigError
from fashionbench.messages import did_you_mean
from fashionbench.params import PARAMS_FILE, LossInput, Params, load_params
from fashionbench.paths import STUDIES_DIR, network_table, project_folder, study
from fashionbench.studies.design import STUDY_FILE, Design, read_study
from fashionbench.studies.published import COUNTERPART
from fashionbench.tables import read_table

AFTERWARDS = (
    "Asked after the results were seen: this describes these runs, and only new seeds can "
    "confirm it."
)
Value = Literal["accuracy", "loss", "gap"]
_UNITS: dict[str, Unit] = {"%": "accuracy", "point": "points", "points": "points", "nats": "nats"}
_WRITTEN: dict[Unit, str] = {
    "accuracy": "an accuracy is in %, as in 90%",
    "points": "a difference is in points, as in 1 point",
    "nats": "a loss is in nats, as in 0.1 nats",
}
_SPLITS: dict[str, ScoredSplit] = {"validation": "val", "val": "val", "test": "test"}


class QuestionError(ConfigError):
    """A question that cannot be read; ``place`` is that of the first wrong character, from 0."""

    def __init__(self, place: int, text: str, why: str) -> None:
        word = re.match(r"\S*", text[place:])
        found = f"{word[0]!r}: " if word and word[0] else ""
        super().__init__(f"character {place + 1} of the question: {found}{why}")
        self.place = place


@dataclass(frozen=True)
class Name:
    """A network as a question has it, and the place where it stands."""

    name: str
    place: int


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked: whether a value of one network, or a difference of two, lies within bounds."""

    text: str
    value: Value
    networks: tuple[Name, ...]
    low: float | None
    high: float | None
    split: ScoredSplit
    label: str | None
    loss_input: LossInput | None

    def declared(self) -> DeclaredClaim:
        """Return the question as a claim about the images that are judged, whichever these are."""
        first, *second = (name.name for name in self.networks)
        condition: dict[str, object] = {"value": self.value, "of": first, "name": self.quantity}
        if second:
            condition["minus"] = second[0]
        if self.low is not None and self.high is not None:
            condition["between"] = (self.low, self.high)
        else:
            condition |= {"above": self.low} if self.high is None else {"below": self.high}
        claim = {"number": 1, "words": self.text, "conditions": [condition], "why": "Asked."}
        return DeclaredClaim.model_validate(claim)

    @property
    def quantity(self) -> str:
        """Name what is asked about, such as ``test accuracy on Shirt of n8_conv``."""
        scored = "test" if self.split == "test" else "validation"
        kind = f"train minus {scored} accuracy" if self.value == "gap" else f"{scored} {self.value}"
        on = f" on {self.label}" if self.label else ""
        return f"{kind}{on} of {' minus '.join(name.name for name in self.networks)}"


def ask(text: str, form: str = "text") -> None:
    """Print the answer to a question as ``text``, ``json`` or ``markdown``.

    Raises QuestionError after pointing at the character, DataError if there are no scores.
    """
    try:
        question, record = answer(text)
    except QuestionError as error:
        sys.stderr.write(f"{text}\n{' ' * error.place}^\n")
        raise
    rows, verdict = describe(record), words.label(record.verdict)
    effect = f"{question.quantity[:1].upper()}{question.quantity[1:]}: "
    effect += words.format_effect(record.conditions[0]) if record.conditions else record.remark
    if form == "json":
        found = {"question": question.text, "quantity": question.quantity, "note": AFTERWARDS}
        lines = [json.dumps(found | record.model_dump(mode="json"), indent=1)]
    elif form == "markdown":
        lines = [f"{effect}.", "", f"| {question.text} | {verdict} |", "|---|---|"]
        lines += [*(f"| {name} | {value} |" for name, value in rows.items()), "", AFTERWARDS]
    else:
        width = max(map(len, rows))
        lines = [f"{verdict}: {question.text}", effect]
        lines += [*(f"  {name:<{width}}  {value}" for name, value in rows.items()), AFTERWARDS]
    sys.stdout.write("\n".join([*lines, ""]))


def describe(record: VerdictRecord) -> dict[str, str]:
    """Return the answers behind a verdict on one condition, by their names; none is empty."""
    if not record.conditions:
        return {"not tested": record.remark}
    condition = record.conditions[0]
    crossed = words.describe_crossed(condition)
    if crossed and len(condition.runs) > 1:
        crossed += ", in pairs of common seeds"
    pairs = "" if record.pairs is None else f"{100 * record.pairs:.0f}% of all combinations"
    rows = {
        "over seeds and images": crossed.replace(" over seeds and images", ""),
        "this effect is": words.describe_runs(condition),
        "otherwise it is": words.describe_others(condition),
        "on the test images": words.describe_on_test(condition).replace(" on the test images", ""),
        "holds in": "; ".join(filter(None, (words.describe_holds(record), pairs))),
        "p": "" if record.p is None else f"{record.p:.2g}, as the only claim of its family",
        "not tested": record.remark,
        "other verdict": words.describe_flips(condition) if record.level else "",
        "seeds to decide": words.describe_needed(record.needed),
    }
    return {name: value for name, value in rows.items() if value}


def answer(text: str) -> tuple[Question, VerdictRecord]:
    """Read a question and judge it by all replicates that are kept.

    Raises QuestionError, DataError if there are no scores, ConfigError for wrong YAML.
    """
    project = load_params(project_folder() / PARAMS_FILE)
    first = read_table(project_folder() / network_table(next(iter(project.networks)), "scores"))
    classes = class_names(first)
    question = parse(text, classes)
    scores: dict[str, pd.DataFrame] = {}
    correct: dict[str, Mapping[int, Flags]] = {}
    for asked in question.networks:
        folder, name = _find(asked, question, project)
        table = read_table(folder / network_table(name, "scores"))
        if question.label and f"accuracy {question.label}" not in table:
            known = conjoin(class_names(table))
            raise QuestionError(
                asked.place, question.text, f"is of other classes than {question.label}: {known}"
            )
        scores[asked.name] = _asked(table, question)
        seeds = {name: table["seed"].unique().tolist()}
        number = classes.index(question.label) if question.label else None
        found = read_correct(folder, seeds, question.split, number)
        correct |= {asked.name: found[name]} if found else {}
    results = Results(curves={}, scores=scores, weights={}, correct={"val": correct})
    claims = make_claims([question.declared()], PARAMS_FILE)
    return question, judge(claims, results).claims[0]


def _asked(scores: pd.DataFrame, question: Question) -> pd.DataFrame:
    """Return scores in which the images and the class that are asked about stand for all."""
    if question.split == "test":
        test = scores[scores["split"] == "test"].assign(split="val")
        scores = pd.concat([scores[scores["split"] != "val"], test], ignore_index=True)
    return (
        scores.assign(accuracy=scores[f"accuracy {question.label}"]) if question.label else scores
    )


def _find(asked: Name, question: Question, project: Params) -> tuple[Path, str]:
    """Return the folder that holds the results of a network, and its name there."""
    here, _, name = asked.name.rpartition("/")
    here = here or study() or ""
    if not here and question.loss_input in (None, project.loss_input):
        if name not in project.networks:
            raise QuestionError(asked.place, question.text, _unknown(name, list(project.networks)))
        return project_folder(), name
    here = here or COUNTERPART
    file = project_folder() / STUDIES_DIR / here / STUDY_FILE
    if not file.exists():
        studies = [path.parent.name for path in sorted(file.parent.parent.glob(f"*/{STUDY_FILE}"))]
        raise QuestionError(asked.place, question.text, _unknown(here, studies, "study"))
    design = Design(read_study(file), project)
    loss = question.loss_input or design.study.losses[0]
    points = {point.label: point.name for point in design.of(loss)}
    if not points:
        raise QuestionError(asked.place, question.text, f"study {here} has no runs with {loss}")
    if name not in points:
        raise QuestionError(asked.place, question.text, _unknown(name, list(points)))
    scores = file.parent / network_table(points[name], "scores")
    if not scores.exists():
        raise QuestionError(asked.place, question.text, f"not run yet: make study NAME={here}")
    if scores.is_file() and not scores.stat().st_size:
        raise QuestionError(asked.place, question.text, f"study {here} could not get its data set")
    return file.parent, points[name]


def _unknown(name: str, known: list[str], what: str = "network") -> str:
    guess = did_you_mean(name, known)
    return f"no such {what}{guess or f'; there are {conjoin(known)}'}"


def parse(text: str, classes: Sequence[str]) -> Question:
    """Read a question; ``classes`` are the names of those that ``on`` may stand before.

    Raises QuestionError, which points at the character.
    """
    reader = _Reader(text)
    value: Value = "accuracy"
    for kind in get_args(Value):
        if reader.take(rf"{kind}(\s+of)?(?=\s+[\w/])"):
            value = kind
            break
    networks = [reader.name()]
    if reader.take("-"):
        networks.append(reader.name())
        if networks[0].name == networks[1].name:
            raise QuestionError(networks[1].place, text, "is the same network; name another")
    unit: Unit = "nats" if value == "loss" else "accuracy"
    if unit == "accuracy" and (value == "gap" or len(networks) > 1):
        unit = "points"
    low, high = reader.bounds(unit)
    found: dict[str, str] = {}
    while not reader.is_at_end():
        key, said = reader.images_or_loss(value, classes)
        if key in found:
            raise reader.fail(f"the {key} was given before: {found[key]}")
        found[key] = said
    return Question(
        text=" ".join(text.split()),
        value=value,
        networks=tuple(networks),
        low=low,
        high=high,
        split=_SPLITS[found.get("images", "val")],
        label=found.get("class"),
        loss_input=found.get("loss"),  # type: ignore[arg-type]
    )


class _Reader:
    """Reads a text from left to right."""

    def __init__(self, text: str) -> None:
        self.text, self.place = text, 0

    def is_at_end(self) -> bool:
        return not self.text[self.place :].strip()

    def take(self, pattern: str, expected: str = "") -> str:
        """Return what matches after any space, whatever its case, and go past it.

        If nothing does, return an empty text, or raise QuestionError where something is expected.
        """
        rest = self.text[self.place :]
        self.place += len(rest) - len(rest.lstrip())
        found = re.compile(pattern, re.IGNORECASE).match(self.text, self.place)
        if found is None and expected:
            raise self.fail(expected)
        self.place = found.end() if found else self.place
        return found[0].lower() if found else ""

    def fail(self, why: str, back: int = 0) -> QuestionError:
        """Return an error at this place, or ``back`` characters before it."""
        return QuestionError(self.place - back, self.text, why)

    def name(self) -> Name:
        name = self.take(r"(\w+/)?[a-z]\w*", "expected a network, such as n2_mlp, or STUDY/NAME")
        return Name(name, self.place - len(name))

    def bounds(self, unit: Unit) -> tuple[float | None, float | None]:
        sign = self.take(r"[<>](?!=)|(above|below|in)\b", "expected >, <, or in [LOW, HIGH]")
        if sign in (">", "above"):
            return self.amount(unit), None
        if sign in ("<", "below"):
            return None, self.amount(unit)
        self.take(r"\[", "expected [")
        low = self.amount(unit)
        self.take(r",\s*", "expected ,")
        start, high = self.place, self.amount(unit)
        if not low < high:
            raise QuestionError(start, self.text, "the second bound must be the higher one")
        self.take(r"\]", "expected ]")
        return low, high

    def amount(self, unit: Unit) -> float:
        number = self.take(r"[-+]?\s*(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", "expected a number")
        value = float(number.replace(" ", ""))
        if not math.isfinite(value):
            raise self.fail("no such number can be compared", back=len(number))
        given = self.take("%|points?|nats")
        if not given and (unit == "nats" or value == 0):
            return value
        if _UNITS.get(given) != unit:
            raise self.fail(_WRITTEN[unit], back=len(given))
        return value if unit == "nats" else value / 100

    def images_or_loss(self, value: Value, classes: Sequence[str]) -> tuple[str, str]:
        """Return what was read, images, class or loss, and its name."""
        if self.take(r"with\b"):
            losses = get_args(LossInput)
            return "loss", self.take("|".join(losses), f"with {' or '.join(losses)}")
        self.take(r"on\b", "expected on IMAGES, with LOSS, or the end")
        if split := self.take(rf"({'|'.join(_SPLITS)})\b"):
            return "images", split
        by_length = sorted(classes, key=len, reverse=True)
        label = self.take(f"({'|'.join(map(re.escape, by_length))})(?!\\w)")
        if not label:
            word = self.text[self.place :].partition(" ")[0].title()
            guess = did_you_mean(word, classes)
            raise self.fail(f"on validation, test, or a class: {conjoin(classes)}{guess}")
        if value == "loss":
            raise self.fail("losses are not kept by class; ask for accuracy", back=len(label))
        written = self.text[self.place - len(label) : self.place]
        same = (one for one in classes if one.lower() == label)
        return "class", written if written in classes else next(same)
