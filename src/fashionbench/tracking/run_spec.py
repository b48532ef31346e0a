"""Describes MLflow runs before they start: key, name, note, parameters, tags and data sets."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from hashlib import file_digest
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_GIT_COMMIT
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fashionbench.analysis.result_files import LOCK_FILE
from fashionbench.files import read_yaml
from fashionbench.networks.description import in_words
from fashionbench.params import OF_IMAGES, PARAMS_FILE, Hyperparameters, Network, load_params
from fashionbench.paths import split_file, study
from fashionbench.pipeline import environment
from fashionbench.pipeline.dependencies import Dependencies, digest, replicate_key
from fashionbench.studies.design import read_study
from fashionbench.tracking.private_tables import VERSION_TAG

NETWORK_TAG = "fashionbench.network"
SEED_TAG = "fashionbench.seed"
CONFIGURATION_TAG = "fashionbench.configuration"
"""Tags the runs whose results differ by their seeds alone: of one network, code and data."""
BITS_TAG = "fashionbench.bits"
"""Tags a run whose results are not those of every x86-64 processor with AVX2 and FMA."""
STUDY_TAG = "fashionbench.study"
RESTORED_TAG = "fashionbench.restored"
"""Tags a run that was logged from DVC's results rather than during training."""
SEPARATOR = " · "

_STRENGTHS = {"dropout_prob": "dropout", "l1_strength": "l1", "l2_strength": "l2"}
"""Parameters that only networks which declare them use, and what declares them."""
_SHORT = 8  # Characters of a digest that people are to tell from another.


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """The description of a run, known before it starts; ``key`` identifies it in every store."""

    key: str
    name: str
    note: str
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    datasets: Sequence[DatasetInput] = ()


def describe_replicate(
    network: Network, hyperparameters: Hyperparameters, seed: int, dependencies: Dependencies
) -> RunSpec:
    """Describe the run of a replicate; ``dependencies`` are those of the stage that trains it."""
    data = _digests_of_data(dependencies.stage, network.images)
    dependencies = replace(dependencies, files=dependencies.files | data)
    facts = (network.name, study())
    identity = replicate_key(network, hyperparameters, 0, dependencies, "all seeds", *facts)
    return RunSpec(
        key=replicate_key(network, hyperparameters, seed, dependencies, *facts),
        name=run_name(network.name, seed),
        note=f"Seed {seed} of {network.name}: {in_words(network)}.",
        params=_params(network, hyperparameters) | {"seed": str(seed)},
        tags={
            NETWORK_TAG: network.name,
            SEED_TAG: str(seed),
            CONFIGURATION_TAG: f"{configuration(network.name)}{SEPARATOR}{identity[:_SHORT]}",
            **_labels(network, hyperparameters),
        },
        datasets=_datasets(data, network),
    )


def describe_network(
    network: Network, hyperparameters: Hyperparameters, replicates: Mapping[int, RunSpec]
) -> RunSpec:
    """Describe the run of a network, the parent of its replicates' runs (by seed)."""
    first = next(iter(replicates.values()))
    return RunSpec(
        key=digest(sorted(spec.key for spec in replicates.values())),
        name=run_name(network.name),
        note=f"{network.name}: {in_words(network)}. Each score is a mean over seeds with the "
        "ends of its 95% interval; the child runs are the replicates.",
        params=_params(network, hyperparameters) | {"seeds": str(list(replicates))},
        tags={name: value for name, value in first.tags.items() if name != SEED_TAG},
        datasets=first.datasets,
    )


def describe_study() -> RunSpec:
    """Describe the run of the study in the current folder, the parent of its networks' runs.

    Its parameters are the study's factors with all their values; the runs below it have one value
    each under the same names. Raises ConfigError for a study.yaml that is wrong.
    """
    name, declared = str(study()), read_study()
    params = {"losses": ", ".join(declared.losses)}
    params |= {factor: ", ".join(map(str, values)) for factor, values in declared.factors.items()}
    return RunSpec(
        key=digest("study", name),
        name=f"study {name}",
        note=f"{declared.title}. {declared.question}",
        params=params,
        tags={STUDY_TAG: name},
    )


def _labels(network: Network, hyperparameters: Hyperparameters) -> dict[str, str]:
    """Return the tags that say of which study results are, and where their bits hold."""
    labels = {}
    if name := study():
        labels[STUDY_TAG] = name
    if network.module or not hyperparameters.is_portable:
        # Imported here: torch takes two seconds, and plain layers are all portable.
        from fashionbench.training.costs import outside_of_the_table

        if reasons := outside_of_the_table(network, hyperparameters):
            labels[BITS_TAG] = f"of this kind of processor only: {', '.join(reasons)}"
    return labels


def _params(network: Network, hyperparameters: Hyperparameters) -> dict[str, str]:
    """Return what may differ between networks; the image size and the classes never do."""
    fixed = {"name", "shape", "num_classes", "images"}
    used = {**asdict(network), **asdict(hyperparameters)}
    if network.images:
        own = load_params().of(network.name).model_dump()
        used |= {name: own[name] for name in OF_IMAGES}
    return {name: str(value) for name, value in used.items() if name not in fixed}


def _digests_of_data(stage: str, images: str) -> dict[Path, str]:
    """Return DVC's digests, md5, of the two splits that a stage trains on.

    A file that is not here has the one in dvc.lock: so a clone that has pulled nothing finds the
    runs of its results. What is in neither is left out.
    """
    found = {}
    for file in (split_file("train", images), split_file("val", images)):
        if file.is_file():
            found[file] = _md5(file, file.stat().st_mtime_ns)
        elif LOCK_FILE.is_file():
            deps = _stages(LOCK_FILE.stat().st_mtime_ns).get(stage, {}).get("deps", [])
            recorded = {dep["path"]: dep["md5"] for dep in deps}
            if str(file) in recorded:
                found[file] = recorded[str(file)]
    return found


@lru_cache(maxsize=4)
def _md5(file: Path, _: int) -> str:
    with file.open("rb") as content:
        return file_digest(content, "md5").hexdigest()


@lru_cache(maxsize=1)
def _stages(_: int) -> dict[str, Any]:
    """Return what dvc.lock says of each stage; the argument is the file's last change."""
    return dict(read_yaml(LOCK_FILE)["stages"])


def _datasets(digests: Mapping[Path, str], network: Network) -> list[DatasetInput]:
    """Return the splits that training reads, with their digests."""
    if not digests:
        return []
    params = load_params()
    declared = params.own_images.get(network.images, params).dataset
    inputs = []
    for split, context in (("train", "training"), ("val", "validation")):
        if md5 := digests.get(file := split_file(split, network.images)):
            name, source = f"{declared.title} {split}", json.dumps({"uri": str(file)})
            data = Dataset(name=name, digest=md5, source_type="local", source=source)
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
    return _with_commit(facts) | {RESTORED_TAG: "true", VERSION_TAG: version("mlflow")}


def _with_commit(facts: dict[str, str]) -> dict[str, str]:
    return facts | ({MLFLOW_GIT_COMMIT: facts["git.commit"]} if "git.commit" in facts else {})


def run_name(network: str, seed: int | None = None) -> str:
    """Name the run of a network, or of one of its replicates.

    In an experiment with another dropout probability it is ``n4_dropout · dropout_prob=0.3``. The
    parameters are those of params.yaml in the current folder, compared with the last commit, or
    with the one that an experiment started from. Without git, the name is the network's.
    """
    own = differences(network)
    if seed is not None:
        own.pop("seeds", None)
    changes = ", ".join(f"{name}={value}" for name, value in own.items())
    name = network if seed is None else f"{network} seed {seed}"
    return f"{name}{SEPARATOR}{changes}" if changes else name


def configuration(network: str) -> str:
    """Return what all replicates of a network's run have in common: its name, without seeds."""
    return run_name(network, 0).replace(" seed 0", "", 1)


def differences(network: str) -> dict[str, str]:
    """Return the parameters that a network uses, where they are not the committed ones."""
    try:
        current = _parse(PARAMS_FILE.read_text(encoding="utf-8"))
        committed = _parse(environment.committed_text(PARAMS_FILE))
    except (OSError, YAMLError):
        return {}
    if not (committed and current):
        return {}
    declared, before = (
        found.get("networks", {}).get(network, {}) for found in (current, committed)
    )
    used = {
        name: value
        for name, value in current.items()
        if name != "networks" and declared.get(_STRENGTHS.get(name, ""), name) == name
    }
    changed = _changed(used, committed) | (_changed(declared, before) if before else {})
    return {name: _as_yaml(value) for name, value in changed.items()}


def _changed(values: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if before.get(name) != value}


@lru_cache(maxsize=4)
def _parse(text: str) -> dict[str, Any]:
    content = YAML(typ="safe", pure=True).load(text)
    return content if isinstance(content, dict) else {}


def _as_yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value).replace(" ", "")
