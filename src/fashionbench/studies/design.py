"""The points of a study: one network for each combination of network, levels and loss.

A point's label is the network's name and the levels in which it differs from the project's
network; its name, in the study's params.yaml, also has the loss if that is not the project's. So a
point that equals a network of the project has that one's name.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, get_args

from fashionbench.errors import ConfigError
from fashionbench.params import LossInput, NetworkParams, Params
from fashionbench.studies.declared import Factor, Level, Study, Switch

Levels = Mapping[Factor, Level]
_STRENGTHS = {"dropout_prob": "dropout", "l1_strength": "l1", "l2_strength": "l2"}
"""Parameters that a network uses only if it names them, and where it does."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """A network of a study with one loss; ``own`` holds what differs from the shared values."""

    name: str
    label: str
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
    def network(self) -> str:
        """Return the only network of a study of factors; ConfigError if there are several."""
        if len(self.study.networks) > 1:
            raise ConfigError("study.yaml: conditions on a factor need a study of a single network")
        return next(iter(self.study.networks))

    def values(self, factor: Factor) -> dict[Level, str]:
        """Return the labels of a factor's points by its values; ConfigError if it has none."""
        if factor not in self.study.factors:
            raise ConfigError(f"study.yaml: {factor} is not among the study's factors")
        return {
            value: self.label(self.network, {factor: value}) for value in self.study.factors[factor]
        }

    def reported(self, factor: Factor) -> Level:
        """Return the project's own value of a factor."""
        if factor in get_args(Switch):
            layers: Level = getattr(self._layers(self.network), factor)
            return layers
        value: Level = self._shared(self.network, factor)
        return value

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
        is_usual = loss_input == self.params.loss_input
        return Point(
            name=label if is_usual else f"{label}_{loss_input}",
            label=label,
            loss_input=loss_input,
            layers=self._layers(network).model_copy(update={**switches, "own": {}}),
            own={key: value for key, value in own.items() if value != getattr(self.params, key)},
            seeds=tuple(self.study.seeds_of(network, loss_input)),
        )

    def _layers(self, network: str) -> NetworkParams:
        layers = self.study.networks[network].layers
        if layers is None:
            self.params.network(network)  # Raises if there is none.
            layers = self.params.networks[network]
        return layers

    def _own(self, network: str) -> dict[str, Any]:
        sources = (self._layers(network).own, self.study.networks[network].own)
        return {str(name): value for own in sources for name, value in own.items()}

    def _shared(self, network: str, factor: str) -> Any:
        return self._own(network).get(factor, getattr(self.params, factor))

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
    if isinstance(value, bool) or factor in get_args(Switch):
        return factor if value not in (False, "none") else f"no_{factor}"
    number = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{factor}_{number.replace('.', '_').replace('-', 'm')}"
