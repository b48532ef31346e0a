"""Networks as MLflow models: logs and registers them, keeps their champions, and loads those."""

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from modulefinder import ModuleFinder
from pathlib import Path
from tempfile import TemporaryDirectory
from warnings import catch_warnings, simplefilter

import mlflow.pyfunc
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus, Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.models import ModelSignature
from mlflow.pyfunc import PyFuncModel
from mlflow.types import ColSpec, Schema

from fashionbench.errors import DataError, StoreError
from fashionbench.networks import own
from fashionbench.params import Network, Params, Precision
from fashionbench.paths import OWN_NETWORKS_DIR, in_workspace, project_folder
from fashionbench.pipeline.dependencies import digest
from fashionbench.tracking.address import artifacts_folder, store_address, without_password
from fashionbench.tracking.log import KEY_TAG, sizes_in
from fashionbench.tracking.run_spec import NETWORK_TAG
from fashionbench.tracking.store import (
    MISSING,
    belongs_to_user,
    store_calls,
    store_to_read,
)

BEST_MODEL = "fashionbench"
"""The registered model whose champion is the best of all networks."""
CHAMPION = "champion"
MODEL_SEED_TAG = "fashionbench.model_seed"
MODEL_TAG = "fashionbench.model"
"""Tags a network's run with the id of its model."""
CARD_TAG = "fashionbench.card_sha256"
"""Tags a version with a digest of its card, by which one that its user has changed is known."""

_PACKAGE = Path(__file__).parents[1]
_WEIGHTS = ".safetensors"
_MODEL_CODE = _PACKAGE / "serving" / "mlflow_model.py"
_REQUIREMENTS = ("mlflow", "numpy", "pandas", "pydantic", "ruamel.yaml", "safetensors", "torch")
"""The packages that the served code imports; a test loads a model with them alone."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A network's best replicate, given by its key, its seed and the file of its weights.

    ``score`` ranks the network among all: its median validation accuracy. ``note`` describes it.
    """

    network: Network
    precision: Precision
    key: str
    seed: int
    weights: Path
    score: float
    note: str
    classes: tuple[str, ...]

    @property
    def tags(self) -> dict[str, str]:
        """What a model is tagged with, and each of its versions."""
        return {NETWORK_TAG: self.network.name, MODEL_SEED_TAG: str(self.seed)}


def model_name(network: str) -> str:
    """Return the name of a network's registered model."""
    return f"{BEST_MODEL}-{network}"


def log_model(client: MlflowClient, experiment: str, run: str, model: Model) -> str:
    """Log a model of a network's run; return its id.

    A model that exists already is kept if its files are there. The model maps raw pixels, uint8
    images, to a float32 probability for each class, and holds this package's code for it, so that
    it works without the package and whatever becomes of it.
    """
    for found in client.search_logged_models([experiment], f"source_run_id = '{run}'"):
        is_ready = found.status == LoggedModelStatus.READY and found.tags.get(KEY_TAG) == model.key
        if is_ready and has_model(client, found.model_id, model):
            return str(found.model_id)
    config = {
        "network": asdict(model.network),
        "precision": model.precision,
        "classes": model.classes,
    }
    # A signature allows a single dtype, but images may be integers or floats: so it has no inputs,
    # and the model validates them itself.
    probabilities = Schema([ColSpec("float", name) for name in model.classes])
    with TemporaryDirectory() as folder, catch_warnings():
        # MLflow warns that there is no input example to infer a schema from.
        simplefilter("ignore", UserWarning)
        network_file = Path(folder) / "network.json"
        network_file.write_text(json.dumps(config), encoding="utf-8")
        code = [copy_served_code(Path(folder))]
        for file in own.code_of(model.network):
            copy = Path(folder) / file
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(project_folder() / file, copy)
            code.append(Path(folder) / OWN_NETWORKS_DIR)
        with store_calls(), mlflow.start_run(run_id=run):
            logged = mlflow.pyfunc.log_model(
                name=model.network.name,
                python_model=_MODEL_CODE,
                code_paths=sorted({str(path) for path in code}),
                artifacts={"weights": str(model.weights), "network": str(network_file)},
                signature=ModelSignature(outputs=probabilities),
                # Given here: MLflow would infer them by running the model for half a minute.
                pip_requirements=_requirements(),
                tags={KEY_TAG: model.key, **model.tags},
            )
    return str(logged.model_id)


def copy_served_code(folder: Path) -> Path:
    """Copy the modules of this package that serving imports, directly or not; return their root."""
    finder = ModuleFinder(path=[str(_PACKAGE.parent)])
    finder.run_script(str(_MODEL_CODE))
    for module in finder.modules.values():
        source = Path(getattr(module, "__file__", None) or "")
        if source.is_relative_to(_PACKAGE) and source != _MODEL_CODE:
            copy = folder / source.relative_to(_PACKAGE.parent)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
    return folder / _PACKAGE.name


def _requirements() -> list[str]:
    """Return the pinned requirements of a model, without the local part of a version (+cpu)."""
    return [f"{name}=={version(name).partition('+')[0]}" for name in _REQUIREMENTS]


def keeps_models(client: MlflowClient, experiment: str) -> bool:
    """Tell whether a server keeps models by themselves, as MLflow does from 3.0 on."""
    try:
        client.search_logged_models([experiment], max_results=1)
    except StoreError as error:
        if "error code 404" in str(error) or error.code in ("ENDPOINT_NOT_FOUND", *MISSING):
            return False
        raise
    return True


def has_model(client: MlflowClient, logged: str | None, model: Model) -> bool:
    """Tell whether a model is there under its id, with files as large as they have to be."""
    if not logged:
        return False
    try:
        address = client.get_logged_model(logged).artifact_location
        weights = [
            size for path, size in sizes_in(address, "artifacts").items() if path.endswith(_WEIGHTS)
        ]
        return bool(sizes_in(address).get("MLmodel")) and weights == [model.weights.stat().st_size]
    except StoreError as error:
        if error.code in MISSING:
            return False
        raise


def update_registry(client: MlflowClient, models: Sequence[tuple[Model, Run]]) -> None:
    """Register each network's model, and in the workspace make the current ones champions.

    The runs are those of the networks, tagged with their models. Experiments that DVC runs in a
    copy only add versions: their models become champions when they are applied to the workspace.
    """
    name_filter = f"name LIKE '{BEST_MODEL}%'"
    champions = {
        found.name: found.aliases.get(CHAMPION)
        for found in client.search_registered_models(name_filter, max_results=1000)
    }
    versions = {
        (found.name, found.tags.get(MODEL_TAG)): found
        for found in client.search_model_versions(name_filter, max_results=10_000)
    }
    best = max(models, key=lambda candidate: candidate[0].score)
    named = [(model_name(model.network.name), model, run) for model, run in models]
    for name, model, run in [*named, (BEST_MODEL, *best)]:
        found = versions.get((name, run.data.tags[MODEL_TAG]))
        if found is None:
            if name not in champions:
                _create(client, name)
            found = _register(client, name, model, run)
        if in_workspace() and champions.get(name) != str(found.version):
            client.set_registered_model_alias(name, CHAMPION, str(found.version))


def _create(client: MlflowClient, name: str) -> None:
    what = "The best network of all" if name == BEST_MODEL else "The best seed of a network"
    try:
        client.create_registered_model(
            name,
            description=f"{what} by validation accuracy: raw pixels, 0 to 255, to the "
            "probabilities of the classes.",
        )
    except StoreError as error:
        # Created by another machine meanwhile.
        if error.code != "RESOURCE_ALREADY_EXISTS":
            raise


def _register(client: MlflowClient, name: str, model: Model, run: Run) -> ModelVersion:
    logged = run.data.tags[MODEL_TAG]
    return client.create_model_version(
        name,
        source=f"models:/{logged}",
        run_id=run.info.run_id,
        model_id=logged,
        tags={MODEL_TAG: logged, **model.tags},
        description=f"{model.note} The weights are those of seed {model.seed}, which has the best "
        "validation accuracy.",
    )


def describe_champion(client: MlflowClient, params: Params) -> None:
    """Make the model card of the workspace's results the champion's description.

    A description that its user has changed stays. Raises DataError if a table is missing.
    """
    # Imported here: to load a model takes no tables.
    from fashionbench.analysis.model_card import read_champion, write_card

    champion = client.get_model_version_by_alias(BEST_MODEL, CHAMPION)
    card, ours = write_card(read_champion(), params), champion.tags.get(CARD_TAG)
    if card == champion.description or (ours and belongs_to_user(champion.description, ours)):
        return
    client.update_model_version(BEST_MODEL, champion.version, card)
    client.set_model_version_tag(BEST_MODEL, champion.version, CARD_TAG, digest(card))


def load_champion(network: str | None) -> tuple[PyFuncModel, str]:
    """Load the champion of a network, or of all networks; return it with a description.

    Writes nothing, neither to the store nor beside it, and has Python write no bytecode from here
    on. Raises DataError if MLflow is unreachable or has no such model.
    """
    sys.dont_write_bytecode = True  # Beside the code that comes with a model.
    name = model_name(network) if network else BEST_MODEL
    try:
        client = store_to_read()
        found = client.get_model_version_by_alias(name, CHAMPION)
    except StoreError as error:
        why = without_password(error)
        if error.code in (*MISSING, "INVALID_PARAMETER_VALUE"):
            why = f"MLflow has no model {name}@{CHAMPION} ({why}); run dvc repro"
        raise DataError(why) from error
    try:
        # Hides MLflow's messages on downloads.
        with catch_warnings(), store_calls():
            simplefilter("ignore", UserWarning)
            # Skips MLflow's comparison of package versions, which takes seconds.
            model = mlflow.pyfunc.load_model(_files_of(found), suppress_warnings=True)
    except StoreError as error:
        raise DataError(
            f"{name}@{CHAMPION} cannot be loaded ({without_password(error)}); where its files are "
            "damaged, dvc repro logs them again"
        ) from error
    which = f"{found.tags[NETWORK_TAG]} seed {found.tags[MODEL_SEED_TAG]}"
    return model, f"{which}, version {found.version} of {name}"


def _files_of(found: ModelVersion) -> str:
    """Return where the files of a version are: beside a store here, also if that was moved."""
    _, database = store_address()
    if database:
        model = found.tags.get(MODEL_TAG, "")
        folder = artifacts_folder(database) / "models" / model / "artifacts"
        if folder.exists():
            return str(folder)
    return f"models:/{found.name}/{found.version}"
