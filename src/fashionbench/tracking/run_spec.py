"""What a run says of a replicate or a network before it starts, whoever tells MLflow of it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_GIT_COMMIT

from fashionbench.params import Hyperparameters, Network
from fashionbench.paths import split_file
from fashionbench.pipeline import environment
from fashionbench.pipeline.dependencies import Dependencies

NETWORK_TAG = "fashionbench.network"
SEED_TAG = "fashionbench.seed"
RESTORED_TAG = "fashionbench.restored"
"""Of a run that no training has told of: DVC had its results."""

_LONGEST_DIGEST = 36  # Of a data set, in MLflow's tables.


def digest(*facts: object) -> str:
    """The sha256 of facts that JSON can hold, in hexadecimal."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def replicate_key(
    network: Network, hyperparameters: Hyperparameters, seed: int, dependencies: Dependencies
) -> str:
    """A digest of all that makes a replicate what it is: its parameters, seed, data and code.

    ``dependencies`` are those of the stage that trains its network.
    """
    files = {str(path): sha256 for path, sha256 in dependencies.files.items()}
    return digest(
        {"network": asdict(network), "hyperparameters": asdict(hyperparameters), "seed": seed},
        files,
    )


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """What is known of a run before it starts."""

    key: str
    name: str
    note: str
    params: Mapping[str, str]
    tags: Mapping[str, str] = field(default_factory=dict)
    datasets: Sequence[DatasetInput] = ()


def describe_replicate(
    network: Network, hyperparameters: Hyperparameters, seed: int, dependencies: Dependencies
) -> RunSpec:
    """The run of a replicate."""
    return RunSpec(
        key=replicate_key(network, hyperparameters, seed, dependencies),
        name=f"{network.name} seed {seed}",
        note=f"Seed {seed} of {network.name}: {_in_words(network)}.",
        params=_params(network, hyperparameters) | {"seed": str(seed)},
        tags={NETWORK_TAG: network.name, SEED_TAG: str(seed)},
        datasets=_datasets(dependencies),
    )


def describe_network(
    network: Network, hyperparameters: Hyperparameters, replicates: Mapping[int, RunSpec]
) -> RunSpec:
    """The run of a network, above those of its replicates by seed."""
    return RunSpec(
        key=digest(sorted(spec.key for spec in replicates.values())),
        name=network.name,
        note=f"{network.name} is {_in_words(network)}. Each score is a mean over seeds with the "
        "ends of its 95% interval; the replicates are the runs below.",
        params=_params(network, hyperparameters) | {"seeds": str(list(replicates))},
        tags={NETWORK_TAG: network.name},
        datasets=next(iter(replicates.values())).datasets,
    )


def _in_words(network: Network) -> str:
    first = () if network.conv_filters else (network.input_size,)
    sizes = "-".join(str(size) for size in (*first, *network.hidden_sizes, network.num_classes))
    filters = "-".join(str(number) for number in network.conv_filters)
    kind = f"convolutions {filters} and then " if filters else ""
    extras = [
        words
        for words, is_used in (
            ("batch normalisation", network.batch_norm),
            (f"dropout {network.dropout_prob:g}", network.dropout_prob),
            (f"L1 penalty {network.l1_strength:g}", network.l1_strength),
            (f"L2 penalty {network.l2_strength:g}", network.l2_strength),
        )
        if is_used
    ]
    ending = f" with {' and '.join(extras)}" if extras else ""
    return f"{kind}a perceptron {sizes}{ending}"


def _params(network: Network, hyperparameters: Hyperparameters) -> dict[str, str]:
    """What may differ between networks: the image's size and the classes never do."""
    never = ("name", "input_size", "num_classes")
    used = {**asdict(network), **asdict(hyperparameters)}
    return {name: str(value) for name, value in used.items() if name not in never}


def _datasets(dependencies: Dependencies) -> list[DatasetInput]:
    """The two splits that a training reads, by the digests of their own files."""
    inputs = []
    for split, context in (("train", "training"), ("val", "validation")):
        sha256 = dependencies.files.get(split_file(split))
        if sha256:
            data = Dataset(
                name=f"fashion-mnist {split}",
                digest=sha256[:_LONGEST_DIGEST],
                source_type="local",
                source=json.dumps({"uri": str(split_file(split))}),
            )
            inputs.append(DatasetInput(data, [InputTag(MLFLOW_DATASET_CONTEXT, context)]))
    return inputs


def trained_here() -> dict[str, str]:
    """Tags of a run that is being trained now: machine, versions, commit and experiment."""
    return _with_commit(environment.describe())


def restored_by_dvc(table: Path) -> dict[str, str]:
    """Tags of a run whose results DVC had, whatever machine they were made on.

    If an experiment runs here, the run is that experiment's only if it has changed ``table``.
    """
    facts = environment.place()
    if environment.is_of_baseline(table):
        for fact in environment.EXPERIMENT_FACTS:
            facts.pop(fact, None)
    return _with_commit(facts) | {RESTORED_TAG: "true"}


def _with_commit(facts: dict[str, str]) -> dict[str, str]:
    return facts | ({MLFLOW_GIT_COMMIT: facts["git.commit"]} if "git.commit" in facts else {})
