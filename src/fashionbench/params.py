"""The only reader of ``params.yaml``: typed, frozen, complete, and checked before any work.

Imports nothing heavy, so that a wrong parameter is refused within a fraction of a second.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainSerializer,
    PositiveFloat,
    PositiveInt,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from fashionbench.datasets import DATASETS_FILE, Dataset, Own, load_dataset
from fashionbench.errors import ConfigError
from fashionbench.files import read_yaml
from fashionbench.messages import did_you_mean, explain

PARAMS_FILE = Path("params.yaml")

LossInput = Literal["probabilities", "logits"]
Optimizer = Literal[
    "adam",
    "adamw",
    "sgd",
    "adadelta",
    "adagrad",
    "adamax",
    "nadam",
    "radam",
    "rmsprop",
]
"""Names of torch.optim, in lower case."""
PORTABLE_OPTIMIZERS: frozenset[Optimizer] = frozenset(("adam", "adamw", "sgd", "adamax", "radam"))
"""Those whose steps have the same bits on every processor; the others take a square root by MKL."""
Schedule = Literal["constant", "cosine", "step", "one_cycle"]
Activation = Literal["relu", "tanh", "sigmoid", "leaky_relu", "elu", "silu", "gelu"]
Padding = Literal["same", "valid"]
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
    "weight_decay",
    "schedule",
    "initialisation",
    "seeds",
    "device",
    "precision",
    "dataset",
    "split_seed",
    "train_size",
    "val_size",
]
"""Parameters that all networks share, and of which one may have a value of its own."""

OF_IMAGES: tuple[Shared, ...] = ("dataset", "split_seed", "train_size", "val_size")
"""Those by which images are prepared: a network's own only in a study, which prepares them."""

STRENGTHS = ("dropout_prob", "l1_strength", "l2_strength")
"""Parameters that only networks read which name them."""

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
_MODULE = re.compile(r"networks/([^\W\d]\w*/)*[^\W\d]\w*\.py:[^\W\d]\w*")
_OF_LAYERS = {
    "conv_filters",
    "pool",
    "hidden_sizes",
    "batch_norm",
    "activation",
    "padding",
    "input_dropout",
    "conv_dropout",
}


def _check_module(value: str) -> str:
    if not _MODULE.fullmatch(value):
        raise ValueError(
            "must name a Python file in networks/ and a class or function of it, such as "
            "networks/residual.py:Residual"
        )
    return value


LayerSizes = Annotated[tuple[LayerSize, ...], Field(strict=False, max_length=100)]


@dataclass(frozen=True, kw_only=True)
class Network:
    """One network, declared completely: every strength is a number, 0 where it is not used.

    It is built of plain layers, or by ``module``, a ``networks/file.py:name`` that is called with
    ``arguments``, a JSON object. ``conv_filters`` are the filters of successive 3x3
    convolutions, with 2x2 max pooling after each if ``pool`` is set; ``hidden_sizes`` are the units
    of successive fully connected layers after them. ``shape`` is that of an image, (height, width)
    or (height, width, 3), and ``input_dropout`` the probability that a value of it is left out,
    ``conv_dropout`` that of a value that leaves the convolutions.
    ``images`` names the prepared images if these are others than the project's.
    """

    name: str
    shape: tuple[int, ...]
    num_classes: int
    conv_filters: tuple[int, ...] = ()
    pool: bool = False
    hidden_sizes: tuple[int, ...] = ()
    batch_norm: bool = False
    activation: Activation = "relu"
    padding: Padding = "same"
    input_dropout: float = 0.0
    conv_dropout: float = 0.0
    module: str = ""
    arguments: str = "{}"
    dropout_prob: float = 0.0
    l1_strength: float = 0.0
    l2_strength: float = 0.0
    images: str = ""

    @property
    def input_size(self) -> int:
        """The number of values of an image."""
        return prod(self.shape)


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """How every network is trained.

    ``momentum`` is that of the optimizer ``sgd``; ``weight_decay`` is what torch's optimizer of the
    same name makes of it. After t steps the learning rate is ``learning_rate / (1 +
    learning_rate_decay * t)``, times the share that ``schedule`` has for them.
    """

    learning_rate: float
    learning_rate_decay: float
    batch_size: int
    num_epochs: int
    loss_input: LossInput
    optimizer: Optimizer
    momentum: float
    weight_decay: float
    schedule: Schedule
    initialisation: Initialisation
    device: Device
    precision: Precision

    @property
    def is_portable(self) -> bool:
        """Whether all processors of an architecture make the same bits of such a training."""
        return (
            self.device == "cpu"
            and self.precision == "float32"
            and self.optimizer in PORTABLE_OPTIMIZERS
        )


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class NetworkParams(_Model):
    """An entry of ``networks``: plain layers, or a ``module`` of the repository.

    ``dropout``, ``l1`` and ``l2`` name the parameter to use; a module that takes dropout gets its
    probability as the argument ``dropout``. ``own`` holds values of shared parameters for this
    network alone.
    """

    conv_filters: LayerSizes = ()
    pool: bool = False
    hidden_sizes: LayerSizes = ()
    batch_norm: bool = False
    activation: Activation = "relu"
    padding: Padding = "same"
    input_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    conv_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    module: Annotated[str, AfterValidator(_check_module)] | None = None
    arguments: dict[str, Any] = {}
    dropout: Literal["dropout_prob", "none"] = "none"
    l1: Literal["l1_strength", "none"] = "none"
    l2: Literal["l2_strength", "none"] = "none"
    own: dict[Shared, Any] = {}

    @model_validator(mode="after")
    def _check_layers(self) -> Self:
        if self.module:
            layers = sorted(self.model_fields_set & _OF_LAYERS)
            if layers:
                raise ValueError(
                    f"{layers[0]}: is for networks of plain layers, and this one is made by module "
                    f"= '{self.module}'; pass it in arguments"
                )
            return self
        if self.arguments:
            raise ValueError("arguments: are those of a module, and none is named")
        if not self.conv_filters and not self.hidden_sizes:
            raise ValueError(
                "needs at least one layer in conv_filters or hidden_sizes, or a module"
            )
        for name, used in (
            ("pool = true", self.pool),
            ("padding = 'valid'", self.padding == "valid"),
            (f"conv_dropout = {self.conv_dropout}", self.conv_dropout),
        ):
            if used and not self.conv_filters:
                raise ValueError(f"{name}: is for convolutions, and conv_filters has none")
        return self


class Params(_Model):
    """The whole of ``params.yaml``, with the data set that it names.

    Values of the data set's own override those in the file.
    """

    dataset: Annotated[Dataset, PlainSerializer(lambda dataset: dataset.name)]
    input_size: Annotated[int, Exactly]
    num_classes: Annotated[int, Exactly]
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
    weight_decay: Annotated[float, Field(ge=0)]
    schedule: Schedule
    initialisation: Initialisation
    seeds: Annotated[tuple[Seed, ...], Field(strict=False, min_length=1, max_length=1000)]
    split_seed: Seed
    train_size: PositiveInt
    val_size: PositiveInt
    device: Device
    precision: Precision
    networks: Annotated[dict[NetworkName, NetworkParams], Field(min_length=1)]
    # Where data sets are declared; the file's values that a data set overrides; and the prepared
    # images of a single network, if it has some of its own.
    _folder: Path = PrivateAttr(Path())
    _replaced: dict[str, Any] = PrivateAttr(default_factory=dict)
    _images: str = PrivateAttr("")

    def __eq__(self, other: object) -> bool:
        # By what it holds, wherever it was read from.
        return isinstance(other, Params) and dict(self) == dict(other)

    @model_validator(mode="wrap")
    @classmethod
    def _look_up_dataset(
        cls, values: Any, check: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        if not isinstance(values, dict) or not isinstance(values.get("dataset"), str):
            return check(values)
        folder = info.context or Path()
        declared = load_dataset(values["dataset"], folder)
        own = declared.own.model_dump(exclude_none=True)
        params = check(values | own | {"dataset": declared})
        params._folder = folder
        params._replaced = {name: values[name] for name in Own.model_fields}
        return params

    @model_validator(mode="after")
    def _check_dataset(self) -> Self:
        declared = self.dataset
        for name, wanted in (
            ("input_size", declared.input_size),
            ("num_classes", len(declared.classes)),
        ):
            value = getattr(self, name)
            if value != wanted:
                raise ValueError(
                    f"{name} = {value}: must be {wanted}, since dataset = {declared.name} has "
                    f"{declared.in_words} in {len(declared.classes)} classes; correct it here, or "
                    f"under own of {declared.name} in {DATASETS_FILE}"
                )
        return self

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds = {list(self.seeds)}: each seed may appear only once")
        if self.batch_size > self.train_size:
            raise ValueError(
                f"batch_size = {self.batch_size}: must be at most train_size = {self.train_size}"
            )
        normalised = [name for name, network in self.networks.items() if network.batch_norm]
        if normalised and 1 in (self.batch_size, self.train_size % self.batch_size):
            raise ValueError(
                f"batch_size = {self.batch_size}: makes a batch of one image of "
                f"train_size = {self.train_size}, which batch normalisation ({normalised[0]}) "
                "cannot use; change one of them by one"
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
        """Return the parameters of a network: the shared ones, overridden by its own.

        A number as its own ``seeds`` stands for that many of the shared ones, from the first on.
        Raises ConfigError for an unknown name.
        """
        own: dict[str, Any] = {str(key): of for key, of in self._declared(name).own.items()}
        if not own:
            return self
        if type(own.get("seeds")) is int and own["seeds"] > 0:
            own = own | {"seeds": self.seeds[: own["seeds"]]}
        images = images_of(own)
        if "dataset" in own:
            dataset = load_dataset(own["dataset"], self._folder)
            of_dataset = dataset.own.model_dump(exclude_none=True)
            own = self._replaced | of_dataset | own | {"dataset": dataset}
        network = self.networks[name].model_copy(update={"own": {}})
        params = type(self).model_validate({**dict(self), **own, "networks": {name: network}})
        params._images = images
        return params

    @property
    def own_images(self) -> dict[str, Self]:
        """The parameters of a network of all prepared images that are networks' own, by name."""
        found = [self.of(name) for name in self.networks]
        return {params._images: params for params in found if params._images}

    @property
    def own_datasets(self) -> dict[str, Self]:
        """The parameters of a network of each data set that networks have of their own, by name."""
        found = self.own_images.values()
        return {of.dataset.name: of for of in found if of.dataset.name != self.dataset.name}

    @property
    def hyperparameters(self) -> Hyperparameters:
        """How networks without values of their own are trained."""
        return Hyperparameters(
            **{field.name: getattr(self, field.name) for field in fields(Hyperparameters)}
        )

    def network(self, name: str) -> Network:
        """The network ``name`` with its strengths looked up; ConfigError for an unknown name."""
        declared, values = self._declared(name), self.of(name)
        strengths: dict[str, Any] = {
            parameter: 0.0 if used == "none" else float(getattr(values, parameter))
            for parameter, used in zip(
                STRENGTHS, (declared.dropout, declared.l1, declared.l2), strict=True
            )
        }
        layers: dict[str, Any] = {field: getattr(declared, field) for field in _OF_LAYERS}
        return Network(
            name=name,
            shape=values.dataset.shape,
            num_classes=values.num_classes,
            images=values._images,
            module=declared.module or "",
            arguments=json.dumps(declared.arguments, sort_keys=True),
            **layers,
            **strengths,
        )

    def _declared(self, name: str) -> NetworkParams:
        if name not in self.networks:
            raise ConfigError(
                f"network {name!r} is not declared under networks in {PARAMS_FILE}; "
                f"declared are {', '.join(self.networks)}{did_you_mean(name, self.networks)}"
            )
        return self.networks[name]


def images_of(own: Mapping[str, Any]) -> str:
    """Name the images that are prepared by a network's ``own`` values: empty for the project's."""
    return "_".join(
        str(own[name]) if name == "dataset" else f"{name}_{own[name]}"
        for name in OF_IMAGES
        if name in own
    )


def load_params(path: Path = PARAMS_FILE) -> Params:
    """Read and check a whole parameter file, by default the one in the current folder.

    Raises ConfigError, whose one line names the first parameter that is wrong, its value and what
    is allowed.
    """
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} must be a mapping of parameters, not {type(raw).__name__}")
    try:
        return Params.model_validate(raw, context=path.parent)
    except ValidationError as error:
        # A misspelt key is also a missing one: the misspelling is what its writer can see.
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        model: type[BaseModel] = NetworkParams if "networks" in first["loc"][:1] else Params
        raise ConfigError(f"{path}: {explain(first, model.model_fields)}") from error
