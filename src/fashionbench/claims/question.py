"""Questions in one line, such as ``n5_batch_norm - n2_mlp > 1 point on Shirt with logits``.

::

    question = [value] network ["-" network] bound {"on" images} ["with" loss]
    value    = "accuracy" | "loss" | "gap" (of train over scored images), of accuracy if left out
    network  = one of params.yaml, or a study and a configuration of it: STUDY/NAME
    bound    = ("above" | ">" | "below" | "<") amount | "in" "[" amount "," amount "]"
    amount   = number ["%" | "point" | "points" | "nats"]
    images   = "validation" (if left out) | "test" | a class
    loss     = "probabilities" | "logits"
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from fashionbench.analysis.results import ScoredSplit
from fashionbench.claims.language import DeclaredClaim, Unit, conjoin
from fashionbench.errors import ConfigError
from fashionbench.messages import did_you_mean
from fashionbench.params import LossInput

Value = Literal["accuracy", "loss", "gap"]
_UNITS = {"%": "accuracy", "point": "points", "points": "points", "nats": "nats"}
_WRITTEN: dict[Unit, str] = {"accuracy": "%, as in 90%", "points": "points, as in 1 point"}
_SPLITS: dict[str, ScoredSplit] = {"validation": "val", "val": "val", "test": "test"}
_SCORED = {"val": "validation", "test": "test"}


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
        scored = _SCORED[self.split]
        kind = f"train minus {scored} accuracy" if self.value == "gap" else f"{scored} {self.value}"
        on = f" on {self.label}" if self.label else ""
        return f"{kind}{on} of {' minus '.join(name.name for name in self.networks)}"


def parse(text: str, classes: Sequence[str]) -> Question:
    """Read a question; ``classes`` are the names of those that ``on`` may stand before.

    Raises QuestionError, which points at the character.
    """
    reader = _Reader(text)
    value: Value = "accuracy"
    for kind in get_args(Value):
        if reader.take(rf"{kind}(\s+of)?(?=\s+[\w/])"):
            value = kind
    networks = [reader.name()]
    if reader.take("-"):
        networks.append(reader.name())
    unit: Unit = "nats" if value == "loss" else "accuracy"
    if unit == "accuracy" and (value == "gap" or len(networks) > 1):
        unit = "points"
    low, high = reader.bounds(unit)
    found: dict[str, str] = {}
    while not reader.is_at_end():
        reader.more(found, value, classes)
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
        self.place += len(self.text[self.place :]) - len(self.text[self.place :].lstrip())
        return self.place == len(self.text)

    def take(self, pattern: str) -> str | None:
        """Return what matches here, whatever its case, and go past it; None if nothing does."""
        self.is_at_end()
        found = re.compile(pattern, re.IGNORECASE).match(self.text, self.place)
        self.place = found.end() if found else self.place
        return found[0].lower() if found else None

    def fail(self, why: str) -> QuestionError:
        return QuestionError(self.place, self.text, why)

    def name(self) -> Name:
        self.is_at_end()
        place = self.place
        name = self.take(r"(\w+/)?[a-z]\w*")
        if name is None:
            raise self.fail("expected a network, such as n2_mlp, or STUDY/NAME")
        return Name(name, place)

    def bounds(self, unit: Unit) -> tuple[float | None, float | None]:
        sign = self.take(r"[<>](?!=)|(above|below|in)\b")
        if sign in (">", "above"):
            return self.amount(unit), None
        if sign in ("<", "below"):
            return None, self.amount(unit)
        if sign is None:
            raise self.fail("expected >, <, or in [LOW, HIGH]")
        self.need(r"\[", "[")
        low = self.amount(unit)
        self.need(",", ",")
        self.is_at_end()
        start, high = self.place, self.amount(unit)
        if not low < high:
            raise QuestionError(start, self.text, "the second bound must be the higher one")
        self.need(r"\]", "]")
        return low, high

    def need(self, pattern: str, what: str) -> None:
        if self.take(pattern) is None:
            raise self.fail(f"expected {what}")

    def amount(self, unit: Unit) -> float:
        number = self.take(r"[-+]?\s*(\d+\.?\d*|\.\d+)(e[-+]?\d+)?")
        if number is None:
            raise self.fail("expected a number")
        value = float(number.replace(" ", ""))
        self.is_at_end()
        place, given = self.place, self.take("%|points?|nats")
        if unit == "nats" and given in (None, "nats"):
            return value
        if given is None and value == 0:
            return value
        if given is None or _UNITS[given] != unit:
            wanted = _WRITTEN.get(unit, "nats, as in 0.1 nats")
            what = {"accuracy": "an accuracy", "nats": "a loss"}.get(unit, "a difference")
            raise QuestionError(place, self.text, f"{what} is in {wanted}")
        return value / 100

    def more(self, found: dict[str, str], value: Value, classes: Sequence[str]) -> None:
        """Read images or the loss, and note what they are; nothing may be said twice."""
        if self.take(r"with\b"):
            losses = get_args(LossInput)
            loss = self.take("|".join(losses))
            if loss is None:
                raise self.fail(f"with {' or '.join(losses)}")
            key, said = "loss", loss
        elif self.take(r"on\b"):
            key, said = self.images(value, classes)
        else:
            raise self.fail("expected on IMAGES, with LOSS, or the end")
        if key in found:
            raise self.fail(f"the {key} was given before: {found[key]}")
        found[key] = said

    def images(self, value: Value, classes: Sequence[str]) -> tuple[str, str]:
        if split := self.take(rf"({'|'.join(_SPLITS)})\b"):
            return "images", split
        by_length = sorted(classes, key=len, reverse=True)
        place = self.place
        label = self.take(f"({'|'.join(map(re.escape, by_length))})(?!\\w)")
        if label is None:
            word = re.match(r"\S*", self.text[self.place :])
            guess = did_you_mean(word[0].title() if word else "", classes)
            raise self.fail(f"on validation, test, or a class: {conjoin(classes)}{guess}")
        if value == "loss":
            raise QuestionError(place, self.text, "losses are not kept by class; ask for accuracy")
        return "class", next(one for one in classes if one.lower() == label)
