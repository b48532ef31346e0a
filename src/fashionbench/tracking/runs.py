"""What a run says of a replicate or a network, and finding it again: the same whoever tells it.

A run is known by its key, a digest of all that makes it what it is. So a training that goes on, a
store that was lost and a commit that is checked out again all come to the same run.
"""

import hashlib
import json
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Param, Run, RunStatus, RunTag
from mlflow.utils.mlflow_tags import (
    MLFLOW_DATASET_CONTEXT,
    MLFLOW_GIT_COMMIT,
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_RUN_NOTE,
)

from fashionbench import provenance
from fashionbench.dependencies import Dependencies
from fashionbench.params import Hyperparameters, Network
from fashionbench.results import split_file

NETWORK_TAG = "fashionbench.network"
SEED_TAG = "fashionbench.seed"
KEY_TAG = "fashionbench.key"
"""What a run is known by."""
CONTENT_TAG = "fashionbench.content"
"""Of a run that shows all that DVC holds: a digest of that."""
FAILURE_TAG = "fashionbench.failure"
"""Of a run that failed: why."""
OWNER_TAG = "fashionbench.process"
"""Of a run that goes on: host and number of the process that tells MLflow of it."""
WEIGHTS_TAG = "fashionbench.weights_sha256"
MODEL_SEED_TAG = "fashionbench.model_seed"
RESTORED_TAG = "fashionbench.restored"
"""Of a run that no training has told of: DVC had its results."""
LAUNCHER_VARIABLE = "MLFLOW_RUN_ID"
"""``mlflow run`` exports its own run, which is the parent of those made below it."""

_EVERY_CURVE = "val_loss"  # The metrics of an epoch are told at once: all curves have it or none.
_PAGE = 1000
_LONGEST_REASON = 5000  # In MLflow's tables; a message that is longer says nothing more.
_LONGEST_DIGEST = 36  # Of a data set, in MLflow's tables.


def digest(*facts: object) -> str:
    """The sha256 of facts that JSON can hold, in hexadecimal."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def replicate_key(
    network: Network, how: Hyperparameters, seed: int, dependencies: Dependencies
) -> str:
    """A digest of all that makes a replicate what it is: its parameters, seed, data and code.

    ``dependencies`` are those of the stage that trains its network.
    """
    files = {str(path): sha256 for path, sha256 in dependencies.files.items()}
    return digest({"network": asdict(network), "how": asdict(how), "seed": seed}, files)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a run before it starts."""

    key: str
    name: str
    note: str
    params: Mapping[str, str]
    tags: Mapping[str, str] = field(default_factory=dict)
    datasets: Sequence[DatasetInput] = ()


def describe_replicate(
    network: Network, how: Hyperparameters, seed: int, dependencies: Dependencies
) -> Facts:
    """The run of a replicate."""
    return Facts(
        key=replicate_key(network, how, seed, dependencies),
        name=f"{network.name} seed {seed}",
        note=f"Seed {seed} of {network.name}: {_in_words(network)}.",
        params=_params(network, how) | {"seed": str(seed)},
        tags={NETWORK_TAG: network.name, SEED_TAG: str(seed)},
        datasets=_datasets(dependencies),
    )


def describe_network(
    network: Network, how: Hyperparameters, replicates: Mapping[int, Facts]
) -> Facts:
    """The run of a network, above those of its replicates by seed."""
    return Facts(
        key=digest(sorted(facts.key for facts in replicates.values())),
        name=network.name,
        note=f"{network.name} is {_in_words(network)}. Each score is a mean over seeds with the "
        "ends of its 95% interval; the replicates are the runs below.",
        params=_params(network, how) | {"seeds": str(list(replicates))},
        tags={NETWORK_TAG: network.name},
        datasets=next(iter(replicates.values())).datasets,
    )


def _in_words(network: Network) -> str:
    first = () if network.conv_filters else (network.input_size,)
    sizes = "-".join(str(size) for size in (*first, *network.hidden_sizes, network.num_classes))
    kind = f"{len(network.conv_filters)} convolutions and then " if network.conv_filters else ""
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


def _params(network: Network, how: Hyperparameters) -> dict[str, str]:
    """What may differ between networks: the image's size and the classes never do."""
    never = ("name", "input_size", "num_classes")
    used = {**asdict(network), **asdict(how)}
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


def end(client: MlflowClient, run: str, status: int, reason: str = "") -> None:
    """End a run, given by its id, with one of mlflow.entities.RunStatus."""
    if reason:
        client.set_tag(run, FAILURE_TAG, reason[:_LONGEST_REASON])
    client.set_terminated(run, RunStatus.to_string(status))


class Runs:
    """The runs of the experiment, or of one network in it, by their keys.

    Whoever makes this marks the runs of processes that have died as killed.
    """

    def __init__(self, client: MlflowClient, experiment: str, network: str | None = None) -> None:
        self._client, self._experiment = client, experiment
        self._by_key: dict[str, Run] = {}
        for run in self._search(f"tags.`{NETWORK_TAG}` = '{network}'" if network else ""):
            if run.info.status == "RUNNING" and _owner_is(run, alive=False):
                end(client, run.info.run_id, RunStatus.KILLED, "its process has died")
            # Newest first.
            self._by_key.setdefault(run.data.tags.get(KEY_TAG, run.info.run_id), run)

    def find(self, key: str) -> Run | None:
        """The run with a key, as it was when this was made."""
        return self._by_key.get(key)

    def is_complete(self, key: str, content: str) -> bool:
        """Whether a run shows exactly what the digest ``content`` is of."""
        run = self.find(key)
        return bool(
            run and run.info.status == "FINISHED" and run.data.tags.get(CONTENT_TAG) == content
        )

    def is_mirrored(self, key: str) -> bool:
        """Whether a run shows all results, so that a training of the same adds nothing."""
        run = self.find(key)
        return bool(run and run.info.status == "FINISHED" and CONTENT_TAG in run.data.tags)

    def is_busy(self, key: str) -> bool:
        """Whether another process of this machine is telling MLflow of this run now."""
        run = self.find(key)
        return bool(run and run.info.status == "RUNNING" and _owner_is(run, alive=True))

    def parent(self, key: str) -> str | None:
        """The id of the run above a run."""
        run = self.find(key)
        return run.data.tags.get(MLFLOW_PARENT_RUN_ID) if run else None

    def epochs(self, key: str) -> set[int]:
        """The epochs whose points a run's curves have."""
        run = self.find(key)
        if run is None:
            return set()
        points = self._client.get_metric_history(run.info.run_id, _EVERY_CURVE)
        return {point.step for point in points}

    def start(self, facts: Facts, parent: str | None, origin: Mapping[str, str]) -> str:
        """Let the run of these facts go on, or make it; its id.

        ``origin`` are tags that say where the run comes from; one that goes on gets new ones.
        """
        tags = {**facts.tags, **origin, KEY_TAG: facts.key}
        tags |= {MLFLOW_RUN_NOTE: facts.note, OWNER_TAG: f"{socket.gethostname()}:{os.getpid()}"}
        if above := parent or os.environ.get(LAUNCHER_VARIABLE):
            tags[MLFLOW_PARENT_RUN_ID] = above
        known = self.find(facts.key)
        if known is None:
            run = self._client.create_run(self._experiment, tags=tags, run_name=facts.name)
            run_id = str(run.info.run_id)
            params = [Param(name, value) for name, value in facts.params.items()]
            self._client.log_batch(run_id, params=params)
            if facts.datasets:
                self._client.log_inputs(run_id, datasets=facts.datasets)
            return run_id
        run_id = str(known.info.run_id)
        self._client.update_run(run_id, RunStatus.to_string(RunStatus.RUNNING))
        self._client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])
        if FAILURE_TAG in known.data.tags:
            self._client.delete_tag(run_id, FAILURE_TAG)
        return run_id

    def _search(self, query: str) -> Iterable[Run]:
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment], query, max_results=_PAGE, page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return


def _owner_is(run: Run, *, alive: bool) -> bool:
    """Whether it is known that the process behind a run is alive, or that it is not.

    Of another machine's processes neither is known. A number that this process has is a dead
    one's, which has been given out again.
    """
    host, _, number = run.data.tags.get(OWNER_TAG, "").rpartition(":")
    if host != socket.gethostname():
        return False
    return _exists(int(number)) == alive


def _exists(process: int) -> bool:
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def trained_here() -> dict[str, str]:
    """Tags of a run that is being trained now: machine, versions, commit and experiment."""
    return _with_commit(provenance.describe())


def restored_by_dvc() -> dict[str, str]:
    """Tags of a run whose results DVC had, whatever machine they were made on."""
    return _with_commit(provenance.place()) | {RESTORED_TAG: "true"}


def _with_commit(facts: dict[str, str]) -> dict[str, str]:
    return facts | ({MLFLOW_GIT_COMMIT: facts["git.commit"]} if "git.commit" in facts else {})
