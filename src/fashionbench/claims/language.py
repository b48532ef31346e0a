"""The language of claims, in which claims.yaml and every study.yaml declare them.

A claim is a sentence and the conditions that it implies. A condition says that a ``value``, of some
networks, perhaps minus that of others, lies ``above``, ``below`` or ``between`` bounds.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from fashionbench.errors import ConfigError
from fashionbench.files import read_yaml, where
from fashionbench.messages import did_you_mean, explain
from fashionbench.params import LossInput

CLAIMS_FILE = Path("claims.yaml")
"""The report's claims, at the top of the project."""

Verdict = Literal[
    "reproduced", "contradicted", "mixed", "inconclusive", "vacuous", "not applicable"
]
Unit = Literal["accuracy", "points", "nats", "share", "ratio"]
"""The unit of a quantity: an accuracy, a difference of accuracies, a loss, a share or a ratio."""
Level = bool | int | float | str
"""A value of a factor of a study."""


@dataclass(frozen=True)
class Quantity:
    """What a condition can be about: in words, with its unit and the epochs or images it is of.

    ``needs`` are keys of a condition that it must have, ``may_have`` those that it can have.
    """

    words: str
    unit: Unit
    needs: frozenset[str] = frozenset()
    may_have: frozenset[str] = frozenset()


_OVER, _FROM, _TO, _SPLIT = (frozenset({key}) for key in ("over", "from", "to", "split"))
QUANTITIES: Mapping[str, Quantity] = {
    "accuracy": Quantity("accuracy", "accuracy", may_have=_SPLIT),
    "loss": Quantity("loss", "nats", may_have=_SPLIT),
    "train_accuracy": Quantity("train accuracy", "accuracy"),
    "gap": Quantity("train minus validation accuracy", "points"),
    "plateau": Quantity("mean validation accuracy of the last epochs", "accuracy", _OVER),
    "plotted_gap": Quantity("train minus validation accuracy of the last epochs", "points", _OVER),
    "highest": Quantity("highest validation accuracy of any epoch", "accuracy"),
    "rise": Quantity("rise of the validation accuracy over the last epochs", "points", _OVER),
    "fluctuation": Quantity("fluctuation of the validation accuracy", "points", _OVER),
    "change": Quantity("change of the validation accuracy", "points", _FROM, _TO),
    "gap_change": Quantity(
        "change of the gap of train over validation accuracy", "points", _FROM, _TO
    ),
    "later_accuracy": Quantity("change of the mean validation accuracy", "points", _FROM),
    "later_loss": Quantity("change of the mean validation loss", "nats", _FROM),
    "excess": Quantity("validation minus train accuracy, after the last epoch,", "points"),
    "excess_by_epoch": Quantity("validation minus train accuracy, in each epoch,", "points"),
    "loss_excess_by_epoch": Quantity("train minus validation loss, in each epoch,", "nats"),
    "near_zero": Quantity("share of weights near zero", "share"),
    "total_variation": Quantity("total variation of the first layer's filters", "ratio"),
}
""":mod:`fashionbench.claims.quantities` computes each."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Number = Annotated[
    str,
    BeforeValidator(lambda given: str(given) if type(given) is int else given),
    StringConstraints(pattern=r"^[1-9]\d*[a-z]?$"),
]
"""The number of a claim, such as 3 or 9a."""


def in_order(number: str) -> tuple[int, str]:
    """Return what numbers are sorted by: 9a before 9b before 10."""
    letter = number[-1:] if number[-1:].isalpha() else ""
    return int(number.removesuffix(letter)), letter


class Points(_Model):
    """Networks: by their names, or a study's by the values of one of its factors.

    ``levels`` is None for all values of the ``factor``.
    """

    names: tuple[str, ...] = ()
    factor: str | None = None
    levels: tuple[Level, ...] | None = None

    @classmethod
    def parse(cls, given: object) -> "Points":
        """Read a name, a list of names, or a factor with a value, values or ``all``.

        Raises ValueError for anything else.
        """
        if isinstance(given, Points):
            return given
        if isinstance(given, str):
            return cls(names=(given,))
        if isinstance(given, list) and given and all(isinstance(name, str) for name in given):
            return cls(names=tuple(given))
        if isinstance(given, dict) and len(given) == 1:
            ((factor, levels),) = given.items()
            if levels == "all":
                return cls(factor=str(factor))
            chosen = levels if isinstance(levels, list) else [levels]
            return cls(factor=str(factor), levels=tuple(chosen))
        raise ValueError("needs a network, a list of networks, or a factor with its values")


class Published(_Model):
    """What others have published of their ``runs``: the mean, and the deviation of single ones."""

    mean: float
    deviation: Annotated[float, Field(gt=0)]
    runs: Annotated[int, Field(ge=2)]


class DeclaredCondition(_Model):
    """A condition as YAML has it.

    Of several networks, or differences of several pairs, all have to lie within the bounds; with
    ``some`` at least one. ``minus: previous`` subtracts from each network the one before it,
    ``minus: {mean: ..., deviation: ..., runs: ...}`` the mean of others' runs, and ``times``
    multiplies what it is subtracted from.
    ``over`` is a number of last epochs, ``from`` and ``to`` are epochs, ``split`` the images of a
    final score if not those that are judged. ``reported`` is the report's own number, ``loss`` the
    only loss on whose scale the bounds mean anything, ``name`` says in words what is compared.
    """

    value: str
    of: Points
    minus: Points | Published | Literal["previous"] | None = None
    above: float | None = None
    below: float | None = None
    between: tuple[float, float] | None = None
    some: bool = False
    times: Annotated[float, Field(gt=0)] = 1.0
    split: Literal["val", "test"] | None = None
    over: Annotated[int, Field(ge=3)] | None = None
    start: PositiveInt | None = Field(None, alias="from")
    end: PositiveInt | None = Field(None, alias="to")
    reported: float | None = None
    loss: LossInput | None = None
    name: str | None = None

    @field_validator("of", "minus", mode="before")
    @classmethod
    def _parse_points(cls, given: object) -> object:
        is_published = isinstance(given, dict) and given.keys() & set(Published.model_fields)
        return given if given in (None, "previous") or is_published else Points.parse(given)

    @field_validator("value")
    @classmethod
    def _check_value(cls, value: str, info: ValidationInfo) -> str:
        known: Collection[str] = (info.context or {}).get("values", QUANTITIES)
        if value not in known:
            raise ValueError(f"no such value{did_you_mean(value, known)}")
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if sum(bound is not None for bound in (self.above, self.below, self.between)) != 1:
            raise ValueError("needs exactly one of above, below and between")
        if self.between and not self.between[0] < self.between[1]:
            raise ValueError(f"between {list(self.between)}: the first bound must be the lower one")
        keys = {"over": self.over, "from": self.start, "to": self.end, "split": self.split}
        given = {name for name, value in keys.items() if value is not None}
        if missing := self.quantity.needs - given:
            raise ValueError(f"value: {self.value} needs {min(missing)}")
        if extra := given - self.quantity.needs - self.quantity.may_have:
            raise ValueError(f"value: {self.value} has no {min(extra)}")
        return self

    @property
    def quantity(self) -> Quantity:
        """Return what it is about: one of QUANTITIES, or a score of another project by its name."""
        return QUANTITIES.get(self.value) or Quantity(self.value, "ratio")

    @property
    def bounds(self) -> tuple[float, float]:
        """Return the lower and the upper bound, infinite where there is none."""
        if self.between:
            return self.between
        low = -math.inf if self.above is None else self.above
        return low, math.inf if self.below is None else self.below

    @property
    def unit(self) -> Unit:
        """Return the unit of what is compared: differences of accuracies are in points."""
        unit = self.quantity.unit
        return "points" if unit == "accuracy" and self.minus is not None else unit


class DeclaredClaim(_Model):
    """A claim as YAML has it: its sentence, what it implies, and why with these bounds.

    ``number`` may end in a letter, for part of a sentence. ``quote`` is what the report says;
    ``about`` names networks whose weights the sentence describes: if one of them learned nothing,
    the sentence says nothing about what is learned.
    """

    number: Number
    words: str
    quote: str = ""
    conditions: Annotated[tuple[DeclaredCondition, ...], Field(min_length=1, strict=False)]
    why: str
    about: Annotated[tuple[str, ...], Field(strict=False)] = ()


Registered = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{7,40})?$")]
"""The commit that declared the claims of a file as they are, before the runs that decide."""


class _File(_Model):
    datasets: Annotated[tuple[str, ...], Field(min_length=1, strict=False)] = ("fashion_mnist",)
    registered: Registered = ""
    seen_seeds: NonNegativeInt = 0
    claims: Annotated[tuple[DeclaredClaim, ...], Field(min_length=1, strict=False)]


def check_numbers(claims: Sequence[DeclaredClaim], path: Path) -> None:
    """Raise ConfigError, with the line in the file ``path``, if two claims have the same number."""
    seen: set[str] = set()
    for place, claim in enumerate(claims):
        if claim.number in seen:
            raise ConfigError(
                f"{where(path, ('claims', place, 'number'))}: another claim has the number "
                f"{claim.number}; any free one will do"
            )
        seen.add(claim.number)


def read_declared(
    path: Path = CLAIMS_FILE, values: Collection[str] = QUANTITIES
) -> Sequence[DeclaredClaim]:
    """Read a file of claims; ConfigError names file, line and the first thing that is wrong.

    ``values`` are the names that conditions can be about.
    """
    claims = _read(path, values).claims
    check_numbers(claims, path)
    return claims


def datasets_of_claims(path: Path = CLAIMS_FILE) -> Sequence[str]:
    """Return the names of the data sets on which the claims are judged. Raises ConfigError."""
    return _read(path).datasets


def _read(path: Path, values: Collection[str] = QUANTITIES) -> _File:
    raw = read_yaml(path)
    try:
        return _File.model_validate(raw, context={"values": values})
    except ValidationError as error:
        raise ConfigError(explain_error(path, error, DeclaredClaim, DeclaredCondition)) from error


def registration(seeds: Collection[int], path: Path = CLAIMS_FILE) -> str:
    """Say which commit declared the claims, and whether runs with ``seeds`` had been seen by then.

    Empty if the file names no commit. Raises ConfigError.
    """
    declared = _read(path)
    if not declared.registered:
        return ""
    last = declared.seen_seeds - 1
    commit = f"Sentences, bounds and the rule are those of commit {declared.registered}" + (
        f", written after runs with seeds 0 to {last}" if last >= 0 else ""
    )
    if any(seed <= last for seed in seeds):
        return f"{commit}: verdicts on the same seeds explore, and test nothing."
    judging = f"{min(seeds)} to {max(seeds)}"
    return f"{commit}; the seeds that judge them, {judging}, had not been run."


def explain_error(path: Path, error: ValidationError, *models: type[BaseModel]) -> str:
    """Describe the first error in a file in one line: where it stands, and what is wrong.

    ``models`` have the names that are known.
    """
    # A misspelt key is also a missing one: the misspelling is what its writer can see.
    first: Any = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    known = {name for model in models for name in _names(model)}
    return f"{where(path, first['loc'])}: {explain(first, known)}"


def _names(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def conjoin(names: Sequence[str]) -> str:
    """Join names as a sentence does: ``2, 3 and 9``."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def half_unit(reported: float | None) -> float:
    """Return half a unit of the last digit in which a number is given: 0.005 for 0.88."""
    if reported is None:
        return 0.0
    exponent = Decimal(repr(reported)).as_tuple().exponent
    return 0.5 * 10.0 ** int(exponent)
