"""The points of a study: one network for each combination of network, levels and loss.

A point's label is the network's name and the levels in which it differs from the project's
network; its name, in the study's params.yaml, also has the loss if that is not the project's. So a
point that equals a network of the project has that one's name.
"""

from collections.abc import Collection, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from fashionbench.claims.language import (
    DeclaredClaim,
    DeclaredCondition,
    Level,
    Number,
    Points,
    Registered,
    check_numbers,
    conjoin,
    explain_error,
)
from fashionbench.claims.quantities import (
    Claim,
    Labels,
    level_name,
    load_claims,
    make_claims,
    named,
)
from fashionbench.errors import ConfigError
from fashionbench.files import read_yaml
from fashionbench.params import (
    OF_IMAGES,
    LossInput,
    NetworkName,
    NetworkParams,
    Params,
    Shared,
    images_of,
)

STUDY_FILE = Path("study.yaml")

Switch = Literal["batch_norm", "dropout"]
"""Parts of a network that a factor may switch on and off."""
Factor = Shared | Switch
Count = Annotated[int, Field(gt=0, le=1000)]
Seeds = Count | Literal["project"] | dict[LossInput, Count]
"""How many seeds, from 0 on: with every loss, or by loss; or those that the project has."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


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
    judged, ``transfers`` those of its claims that are judged on each data set or split.
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
    transfers: list[Number] = []
    registered: Registered = ""
    claims: list[DeclaredClaim] = []

    def seeds_of(self, network: str, loss_input: LossInput, params: Params) -> tuple[int, ...]:
        """Return the seeds of a network with a loss; ``params`` are the project's.

        Raises KeyError if none are declared.
        """
        count = self.networks[network].seeds or self.seeds
        if count == "project":
            return params.of(network).seeds
        return tuple(range(count if isinstance(count, int) else count[loss_input]))


def read_study(path: Path = STUDY_FILE) -> Study:
    """Read a study.yaml; ConfigError names the line of the first thing that is wrong."""
    raw = read_yaml(path)
    try:
        study = Study.model_validate(raw)
    except ValidationError as error:
        models = (Study, StudyNetwork, DeclaredClaim, DeclaredCondition)
        raise ConfigError(explain_error(path, error, *models)) from error
    check_numbers(study.claims, path)
    return study


Levels = Mapping[Factor, Level]
_STRENGTHS = {"dropout_prob": "dropout", "l1_strength": "l1", "l2_strength": "l2"}
"""Parameters that a network uses only if it names them, and where it does."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """A network of a study with one loss; ``own`` holds what differs from the shared values.

    ``on_images`` is its label among the points that have its ``images``.
    """

    name: str
    label: str
    on_images: str
    images: str
    loss_input: LossInput
    layers: NetworkParams
    own: Mapping[str, Any]
    seeds: tuple[int, ...]


class Design:
    """The points of a study beside the project's ``params``, in order.

    Raises ConfigError for a network that neither the study nor the project declares.
    """

    def __init__(self, study: Study, params: Params) -> None:
        self.study, self.params = study, params
        points = [
            self._point(network, levels, loss_input)
            for loss_input in study.losses
            for network in study.networks
            for levels in self._combinations()
        ]
        self.points = tuple({point.name: point for point in points}.values())

    def of(self, loss_input: LossInput) -> list[Point]:
        """Return the points with one loss."""
        return [point for point in self.points if point.loss_input == loss_input]

    @property
    def images(self) -> list[str]:
        """Return the names of the points' images, in order; the project's have its data set's."""
        return [*dict.fromkeys(point.images for point in self.points)]

    @property
    def own_datasets(self) -> list[str]:
        """Return the names of the data sets that the study gets and prepares itself, in order."""
        return [*dict.fromkeys(of.own["dataset"] for of in self.points if "dataset" in of.own)]

    def without(self, datasets: Collection[str]) -> "Design":
        """Return the design without the points of some data sets."""
        left = copy(self)
        left.points = tuple(of for of in self.points if of.own.get("dataset") not in datasets)
        return left

    @property
    def network(self) -> str:
        """Return the only network of a study of factors; ConfigError if there are several."""
        if len(self.study.networks) > 1:
            raise ConfigError("conditions on a factor need a study of a single network")
        return next(iter(self.study.networks))

    def values(self, factor: str) -> dict[Level, str]:
        """Return the labels of a factor's points by its values; ConfigError if it has none."""
        for known, levels in self.study.factors.items():
            if known == factor:
                return {value: self.label(self.network, {known: value}) for value in levels}
        raise ConfigError(f"{factor} is not among the study's factors")

    def reported(self, factor: Factor) -> Level:
        """Return the project's own value of a factor."""
        if factor in get_args(Switch):
            layers: Level = getattr(self._layers(self.network), factor)
            return layers
        value: Level = self._shared(self.network, factor)
        return value

    def transferred(self) -> list[Claim]:
        """Return the claims of the report that are judged on each data set or split.

        Raises ConfigError for a number that the report does not have.
        """
        if not self.study.transfers:
            return []
        of_report = {claim.number: claim for claim in load_claims()}
        if unknown := [number for number in self.study.transfers if number not in of_report]:
            raise ConfigError(f"{STUDY_FILE}: transfers: the report has no claim {unknown[0]}")
        return [of_report[number] for number in self.study.transfers]

    def claims(self, path: Path = STUDY_FILE) -> list[Claim]:
        """Return the study's claims; ``path`` is that of its study.yaml.

        Raises ConfigError, with the line, for a point or a value that the study does not have.
        """
        return make_claims(self.study.claims, path, self._find)

    def _find(self, points: Points) -> Labels:
        """Return the labels of points, by their names or by the values of a factor."""
        if points.factor is None:
            # Points trained on either loss share a label.
            labels = [*dict.fromkeys(point.label for point in self.points)]
            for name in points.names:
                if name not in labels:
                    raise ConfigError(f"there is no point {name}; there are {conjoin(labels)}")
            return named(points)
        values = self.values(points.factor)
        levels = values if points.levels is None else points.levels
        if unknown := [level for level in levels if level not in values]:
            raise ConfigError(f"{unknown[0]} is no value of {points.factor}")
        return {level_name(level): values[level] for level in levels}

    def label(self, network: str, levels: Levels) -> str:
        """Return the label of a point: no level that is the network's own is named in it."""
        changed = (
            _describe(factor, value)
            for factor, value in levels.items()
            if not self._is_own(network, factor, value)
        )
        return "_".join([network, *changed])

    def _combinations(self) -> Iterator[Levels]:
        factors = self.study.factors
        if self.study.crossed:
            yield from (
                dict(zip(factors, values, strict=True)) for values in product(*factors.values())
            )
        elif factors:
            yield from ({factor: value} for factor, values in factors.items() for value in values)
        else:
            yield {}

    def _point(self, network: str, levels: Levels, loss_input: LossInput) -> Point:
        label = self.label(network, levels)
        named: dict[str, Any] = {str(factor): value for factor, value in levels.items()}
        switches = {name: value for name, value in named.items() if name in get_args(Switch)}
        switches |= {_STRENGTHS[name]: name for name in named if name in _STRENGTHS}
        shared = {name: value for name, value in named.items() if name not in switches}
        own = {**self._own(network), **shared, "loss_input": loss_input}
        own = {key: value for key, value in own.items() if value != self._of_project(key)}
        is_usual = loss_input == self.params.loss_input
        others: Levels = {factor: levels[factor] for factor in levels if factor not in OF_IMAGES}
        return Point(
            name=label if is_usual else f"{label}_{loss_input}",
            label=label,
            on_images=self.label(network, others),
            images=images_of(own) or self.params.dataset.name,
            loss_input=loss_input,
            layers=self._layers(network).model_copy(update={**switches, "own": {}}),
            own=own,
            seeds=self.study.seeds_of(network, loss_input, self.params),
        )

    def _layers(self, network: str) -> NetworkParams:
        layers = self.study.networks[network].layers
        if layers is None:
            self.params.network(network)  # Raises if there is none.
            layers = self.params.networks[network]
        return layers

    def _own(self, network: str) -> dict[str, Any]:
        sources = (self._layers(network).own, self.study.networks[network].own)
        # How many seeds is the study's to say.
        return {str(key): value for own in sources for key, value in own.items() if key != "seeds"}

    def _shared(self, network: str, factor: str) -> Any:
        return self._own(network).get(factor, self._of_project(factor))

    def _of_project(self, name: str) -> Any:
        return self.params.dataset.name if name == "dataset" else getattr(self.params, name)

    def _is_own(self, network: str, factor: Factor, value: Level) -> bool:
        layers = self._layers(network)
        if factor in get_args(Switch):
            return bool(getattr(layers, factor) == value)
        is_used = factor not in _STRENGTHS or getattr(layers, _STRENGTHS[factor]) == factor
        return bool(is_used and self._shared(network, factor) == value)


def study_params(design: Design, shared: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a study's params.yaml; ``shared`` is that of the project's."""
    usual = design.points[0].seeds
    networks = {}
    for point in design.points:
        own = {**point.own, **({"seeds": list(point.seeds)} if point.seeds != usual else {})}
        layers = point.layers.model_dump(mode="json", exclude_defaults=True)
        networks[point.name] = layers | ({"own": own} if own else {})
    return {**shared, "seeds": list(usual), "networks": networks}


def _describe(factor: Factor, value: Level) -> str:
    """Name a level with letters, digits and underscores, such as ``dropout_prob_0_3``."""
    if factor == "dataset":
        return str(value)
    if isinstance(value, bool) or factor in get_args(Switch):
        return factor if value not in (False, "none") else f"no_{factor}"
    number = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{factor}_{number.replace('.', '_').replace('-', 'm')}"
