"""The only reader of ``params.yaml``: typed, frozen, complete, and checked before any work.

Imports nothing heavy, so that a wrong parameter is refused within a fraction of a second.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
    ValidationError,
    model_validator,
)

from fashionbench.errors import ConfigError
from fashionbench.messages import did_you_mean, explain
from fashionbench.yaml_files import read_yaml

PARAMS_FILE = Path("params.yaml")

LossInput = Literal["probabilities", "logits"]
Optimizer = Literal["adam", "sgd"]
Initialisation = Literal["pytorch", "glorot"]
Device = Literal["cpu", "cuda"]
Precision = Literal["float32", "bfloat16"]
Shared = Literal[
    "learning_rate",
    "learning_rate_decay",
    "batch_size",
    "num_epochs",
    "dropout_prob",
    "l1_strength",
    "l2_strength",
    "loss_input",
    "optimizer",
    "momentum",
    "initialisation",
    "seeds",
    "device",
    "precision",
]
"""Parameters that all networks share, and of which one may have a value of its own."""

# Names become folders, shell words and MLflow names, so they are kept to what is safe in all.
NetworkName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
# NumPy's SeedSequence takes any non-negative integer; 32 bits is what other libraries accept.
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def _refuse_lookalikes(value: object) -> object:
    if type(value) is not int:
        raise ValueError("input should be a whole number")  # 784.0 and false equal 784 and 0.
    return value


Exactly = BeforeValidator(_refuse_lookalikes)
# A million filters or units are more than any memory holds; beyond, the products would overflow.
LayerSize = Annotated[int, Field(gt=0, le=1_000_000)]
_MOST_POOLINGS = 4  # 28 pixels become 14, 7, 3 and 1.
LayerSizes = Annotated[tuple[LayerSize, ...], Field(strict=False, max_length=100)]


@dataclass(frozen=True, kw_only=True)
class Network:
    """One network, declared completely: every strength is a number, 0 where it is not used.

    ``conv_filters`` are the filters of successive 3x3 convolutions, with 2x2 max pooling after each
    if ``pool`` is set; ``hidden_sizes`` are the units of successive fully connected layers after
    them. ``input_size`` is in pixels.
    """

    name: str
    input_size: int
    num_classes: int
    conv_filters: tuple[int, ...]
    pool: bool
    hidden_sizes: tuple[int, ...]
    batch_norm: bool
    dropout_prob: float
    l1_strength: float
    l2_strength: float


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """How every network is trained.

    ``momentum`` is that of the optimizer ``sgd``. After t steps the learning rate is
    ``learning_rate / (1 + learning_rate_decay * t)``.
    """

    learning_rate: float
    learning_rate_decay: float
    batch_size: int
    num_epochs: int
    loss_input: LossInput
    optimizer: Optimizer
    momentum: float
    initialisation: Initialisation
    device: Device
    precision: Precision


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class NetworkParams(_Model):
    """An entry of ``networks``.

    ``dropout``, ``l1`` and ``l2`` name the parameter to use; ``own`` holds values of shared
    parameters for this network alone.
    """

    conv_filters: LayerSizes
    pool: bool = False
    hidden_sizes: LayerSizes
    batch_norm: bool
    dropout: Literal["dropout_prob", "none"]
    l1: Literal["l1_strength", "none"]
    l2: Literal["l2_strength", "none"]
    own: dict[Shared, Any] = {}

    @model_validator(mode="after")
    def _check_layers(self) -> Self:
        if not self.conv_filters and not self.hidden_sizes:
            raise ValueError("needs at least one layer in conv_filters or hidden_sizes")
        if self.pool and not 0 < len(self.conv_filters) <= _MOST_POOLINGS:
            raise ValueError(
                f"pool = true: needs 1 to {_MOST_POOLINGS} convolutions in conv_filters, since "
                "each pooling halves the image"
            )
        return self


class Params(_Model):
    """The whole of ``params.yaml``."""

    input_size: Annotated[Literal[784], Exactly]
    num_classes: Annotated[Literal[10], Exactly]
    learning_rate: PositiveFloat
    learning_rate_decay: Annotated[float, Field(ge=0)]
    batch_size: PositiveInt
    num_epochs: Annotated[int, Field(gt=0, le=1_000_000)]
    dropout_prob: Annotated[float, Field(ge=0, lt=1)]
    l1_strength: Annotated[float, Field(ge=0)]
    l2_strength: Annotated[float, Field(ge=0)]
    loss_input: LossInput
    optimizer: Optimizer
    momentum: Annotated[float, Field(ge=0, lt=1)]
    initialisation: Initialisation
    seeds: Annotated[tuple[Seed, ...], Field(strict=False, min_length=1, max_length=1000)]
    split_seed: Seed
    train_size: PositiveInt
    val_size: PositiveInt
    device: Device
    precision: Precision
    none: Annotated[Literal[0], Exactly]
    networks: Annotated[dict[NetworkName, NetworkParams], Field(min_length=1)]

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds = {list(self.seeds)}: each seed may stand only once")
        if self.batch_size > self.train_size:
            raise ValueError(
                f"batch_size = {self.batch_size}: must be at most train_size = {self.train_size}"
            )
        normalised = [name for name, network in self.networks.items() if network.batch_norm]
        if normalised and 1 in (self.batch_size, self.train_size % self.batch_size):
            raise ValueError(
                f"batch_size = {self.batch_size}: makes a batch of one image of "
                f"train_size = {self.train_size}, which batch normalisation ({normalised[0]}) "
                "cannot use; change either by one"
            )
        return self

    @model_validator(mode="after")
    def _check_own(self) -> Self:
        for name in self.networks:
            try:
                self.of(name)
            except ValidationError as error:
                reason = explain(error.errors()[0], Params.model_fields)
                raise ValueError(f"networks.{name}.own: {reason}") from error
        return self

    def of(self, name: str) -> Self:
        """Return the parameters of a network: the shared ones with those of its own in their place.

        Raises ConfigError for an unknown name.
        """
        own = self._declared(name).own
        if not own:
            return self
        network = self.networks[name].model_copy(update={"own": {}})
        return type(self).model_validate({**dict(self), **own, "networks": {name: network}})

    @property
    def hyperparameters(self) -> Hyperparameters:
        """How networks without values of their own are trained."""
        return Hyperparameters(
            **{field.name: getattr(self, field.name) for field in fields(Hyperparameters)}
        )

    def network(self, name: str) -> Network:
        """The network ``name`` with its strengths looked up; ConfigError for an unknown name."""
        declared, values = self._declared(name), self.of(name)
        return Network(
            name=name,
            input_size=self.input_size,
            num_classes=self.num_classes,
            conv_filters=declared.conv_filters,
            pool=declared.pool,
            hidden_sizes=declared.hidden_sizes,
            batch_norm=declared.batch_norm,
            dropout_prob=float(getattr(values, declared.dropout)),
            l1_strength=float(getattr(values, declared.l1)),
            l2_strength=float(getattr(values, declared.l2)),
        )

    def _declared(self, name: str) -> NetworkParams:
        if name not in self.networks:
            raise ConfigError(
                f"network {name!r} is not declared under networks in {PARAMS_FILE}; "
                f"declared are {', '.join(self.networks)}{did_you_mean(name, self.networks)}"
            )
        return self.networks[name]


def load_params(path: Path = PARAMS_FILE) -> Params:
    """Read and check a whole parameter file, by default the one in the current folder.

    Raises ConfigError, whose one line names the first parameter that is wrong, its value and what
    is allowed.
    """
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} must be a mapping of parameters, not {type(raw).__name__}")
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        # A misspelt key is also a missing one: the misspelling is what its writer can see.
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        model: type[BaseModel] = NetworkParams if "networks" in first["loc"][:1] else Params
        raise ConfigError(f"{path}: {explain(first, model.model_fields)}") from error
