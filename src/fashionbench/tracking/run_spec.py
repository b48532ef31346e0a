"""Describes the MLflow runs of replicates and networks: key, name, parameters, tags, data sets."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_GIT_COMMIT

from fashionbench.params import Hyperparameters, Network
from fashionbench.paths import split_file, study
from fashionbench.pipeline import environment
from fashionbench.pipeline.dependencies import Dependencies
from fashionbench.pipeline.identity import digest, replicate_key
from fashionbench.tracking.names import configuration, run_name

NETWORK_TAG = "fashionbench.network"
SEED_TAG = "fashionbench.seed"
CONFIGURATION_TAG = "fashionbench.configuration"
"""Tags a run with its network and the parameters that are not the committed ones."""
STUDY_TAG = "fashionbench.study"
RESTORED_TAG = "fashionbench.restored"
"""Tags a run that was logged from DVC's results rather than during training."""

_LONGEST_DIGEST = 36  # Characters of a data set's digest in MLflow's tables.


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """The description of a run, known before it starts; ``key`` identifies it in every store."""

    key: str
    name: str
    note: str
    params: Mapping[str, str]
    tags: Mapping[str, str] = field(default_factory=dict)
    datasets: Sequence[DatasetInput] = ()


def describe_replicate(
    network: Network, hyperparameters: Hyperparameters, seed: int, dependencies: Dependencies
) -> RunSpec:
    """Describe the run of a replicate."""
    return RunSpec(
        key=replicate_key(network, hyperparameters, seed, dependencies, network.name, study()),
        name=run_name(network.name, seed),
        note=f"Seed {seed} of {network.name}: {_in_words(network)}.",
        params=_params(network, hyperparameters) | {"seed": str(seed)},
        tags={
            NETWORK_TAG: network.name,
            SEED_TAG: str(seed),
            CONFIGURATION_TAG: configuration(network.name),
            **_study_tags(),
        },
        datasets=_datasets(dependencies),
    )


def describe_network(
    network: Network, hyperparameters: Hyperparameters, replicates: Mapping[int, RunSpec]
) -> RunSpec:
    """Describe the run of a network, the parent of its replicates' runs (by seed)."""
    return RunSpec(
        key=digest(sorted(spec.key for spec in replicates.values())),
        name=run_name(network.name),
        note=f"{network.name}: {_in_words(network)}. Each score is a mean over seeds with the "
        "ends of its 95% interval; the child runs are the replicates.",
        params=_params(network, hyperparameters) | {"seeds": str(list(replicates))},
        tags={
            NETWORK_TAG: network.name,
            CONFIGURATION_TAG: configuration(network.name),
            **_study_tags(),
        },
        datasets=next(iter(replicates.values())).datasets,
    )


def _study_tags() -> dict[str, str]:
    name = study()
    return {STUDY_TAG: name} if name else {}


def _in_words(network: Network) -> str:
    first = () if network.conv_filters else (network.input_size,)
    sizes = "-".join(str(size) for size in (*first, *network.hidden_sizes, network.num_classes))
    filters = "-".join(str(number) for number in network.conv_filters)
    pooling = " with max pooling" if network.pool else ""
    kind = f"convolutions {filters}{pooling}, then " if filters else ""
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
    """Return what may differ between networks; the image size and the classes never do."""
    fixed = ("name", "input_size", "num_classes")
    used = {**asdict(network), **asdict(hyperparameters)}
    return {name: str(value) for name, value in used.items() if name not in fixed}


def _datasets(dependencies: Dependencies) -> list[DatasetInput]:
    """Return the two splits that training reads, with the digests of their files."""
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


def provenance_of_training(facts: Mapping[str, str]) -> dict[str, str]:
    """Return tags for a run that is trained now: its workers' facts, and commit and experiment."""
    return _with_commit({**facts, **environment.place()})


def provenance_of_restored(table: Path) -> dict[str, str]:
    """Return tags for a run whose results come from DVC, made on an unknown machine.

    In an experiment, the run is tagged as that experiment's only if the experiment changed
    ``table``.
    """
    facts = environment.place()
    if environment.is_of_baseline(table):
        for fact in environment.EXPERIMENT_FACTS:
            facts.pop(fact, None)
    return _with_commit(facts) | {RESTORED_TAG: "true"}


def _with_commit(facts: dict[str, str]) -> dict[str, str]:
    return facts | ({MLFLOW_GIT_COMMIT: facts["git.commit"]} if "git.commit" in facts else {})
