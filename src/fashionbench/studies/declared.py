"""A study as its ``study.yaml`` declares it: networks, factors, losses, seeds and claims."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from fashionbench.errors import ConfigError
from fashionbench.messages import explain
from fashionbench.params import LossInput, NetworkName, NetworkParams, Shared
from fashionbench.yaml_files import read_yaml

STUDY_FILE = Path("study.yaml")

Switch = Literal["batch_norm", "dropout"]
"""Parts of a network that a factor may switch on and off."""
Factor = Shared | Switch
Level = bool | int | float | str
"""A value of a factor."""
Count = Annotated[int, Field(gt=0, le=1000)]
Seeds = Count | dict[LossInput, Count]
"""How many seeds, from 0 on: with every loss, or by loss."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Bounded(_Model):
    above: float | None = None
    below: float | None = None
    between: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if sum(bound is not None for bound in (self.above, self.below, self.between)) != 1:
            raise ValueError("needs exactly one of above, below and between")
        return self


class Final(_Bounded):
    """The final accuracy of each point, on the images that are judged or on those of ``split``."""

    quantity: Literal["final"]
    points: Annotated[list[str], Field(min_length=1)]
    split: Literal["val", "test"] | None = None


class Difference(_Bounded):
    """The final accuracy of the first point minus the second."""

    quantity: Literal["difference"]
    first: str
    second: str


class Change(_Bounded):
    """The change of a curve of each point between two epochs; the gap is train minus validation."""

    quantity: Literal["change"]
    of: Literal["val_accuracy", "gap"]
    points: Annotated[list[str], Field(min_length=1)]
    start: PositiveInt = Field(alias="from")
    end: PositiveInt = Field(alias="to")


class Gain(_Model):
    """Some of these values of a factor gives more than ``above`` over the report's own value."""

    quantity: Literal["gain"]
    factor: Factor
    values: Annotated[list[Level], Field(min_length=1)]
    above: float


class Range(_Model):
    """Some value of a factor gives more than ``above`` over some other value."""

    quantity: Literal["range"]
    factor: Factor
    above: float


class Lead(_Model):
    """No value of a factor gives ``below`` or more over the report's own value."""

    quantity: Literal["lead"]
    factor: Factor
    below: float


class Crossing(_Model):
    """Validation lies above train accuracy only from some value of a factor on."""

    quantity: Literal["crossing"]
    factor: Factor


DeclaredCondition = Annotated[
    Final | Difference | Change | Gain | Range | Lead | Crossing, Field(discriminator="quantity")
]


class DeclaredClaim(_Model):
    """A claim of a study: its sentence, the conditions that it implies, and why these."""

    number: PositiveInt
    words: str
    conditions: Annotated[list[DeclaredCondition], Field(min_length=1)]
    why: str


class StudyNetwork(_Model):
    """A network of a study: one of the project's, or a new one with ``layers``."""

    layers: NetworkParams | None = None
    own: dict[Shared, Any] = {}
    seeds: Seeds | None = None


class Study(_Model):
    """The whole of a ``study.yaml``.

    Every network is trained with every value of each factor, the others as in the project; with all
    combinations of the factors' values if the study is ``crossed``. ``read_at`` are the epochs that
    its figures mark. ``report_claims`` are numbers of seeds with which the report's own claims are
    judged.
    """

    title: str
    question: str
    cost: str
    losses: Annotated[list[LossInput], Field(min_length=1)]
    seeds: Seeds
    networks: Annotated[dict[NetworkName, StudyNetwork], Field(min_length=1)]
    factors: dict[Factor, Annotated[list[Level], Field(min_length=2)]] = {}
    crossed: bool = False
    read_at: list[PositiveInt] = []
    report_claims: list[PositiveInt] = []
    claims: list[DeclaredClaim] = []

    def seeds_of(self, network: str, loss_input: LossInput) -> list[int]:
        """Return the seeds of a network with a loss. Raises KeyError if none are declared."""
        count = self.networks[network].seeds or self.seeds
        return list(range(count if isinstance(count, int) else count[loss_input]))


def read_study(path: Path = STUDY_FILE) -> Study:
    """Read a study.yaml; ConfigError names the first thing in it that is wrong."""
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} must be a mapping, not {type(raw).__name__}")
    try:
        return Study.model_validate(raw)
    except ValidationError as error:
        # A misspelt key is also a missing one: the misspelling is what its writer can see.
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        raise ConfigError(f"{path}: {explain(first, Study.model_fields)}") from error
