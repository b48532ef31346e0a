"""What an MLflow store shows, to be compared with what DVC holds or with another store."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlparse

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run
from repositories import Repository

CURVES = ("train_objective", "train_loss", "train_accuracy", "val_loss", "val_accuracy")


def client_of(repository: Repository) -> MlflowClient:
    """Return a client of a repository's own store."""
    return MlflowClient(f"sqlite:///{quote(str(repository.path / 'mlflow.db'))}")


def make_store(folder: Path) -> None:
    """Make the tables of a store in a folder of its own, and nothing of the project's in them."""
    folder.mkdir()
    client_of(Repository(folder)).search_experiments()


def runs_of(client: MlflowClient, experiment_name: str = "fashionbench") -> list[Run]:
    """Return all runs of the project's experiment, or of another one, the newest first."""
    experiment = client.get_experiment_by_name(experiment_name)
    if experiment is None:
        return []
    return list(client.search_runs([experiment.experiment_id], max_results=1000))


def by_name(client: MlflowClient) -> dict[str, Run]:
    """Return the runs by their names, of which there must be no two."""
    runs = runs_of(client)
    assert Counter(run.info.run_name for run in runs).most_common(1)[0][1] == 1
    return {str(run.info.run_name): run for run in runs}


def curves_of(client: MlflowClient, run: Run) -> dict[str, list[tuple[int, float]]]:
    """Return the points of a run's curves by metric, as often as they were told."""
    return {
        name: [(p.step, p.value) for p in client.get_metric_history(run.info.run_id, name)]
        for name in CURVES
        if name in run.data.metrics
    }


def points(client: MlflowClient) -> int:
    """Return how many epochs of all replicates MLflow shows."""
    return sum(len(curves_of(client, run).get("val_loss", [])) for run in runs_of(client))


def contents(client: MlflowClient) -> dict[str, Any]:
    """Return by name what runs, models and registry show, but for ids, times and machines."""
    runs = by_name(client)
    names = {run.info.run_id: name for name, run in runs.items()}
    shown: dict[str, Any] = {
        name: {
            "status": run.info.status,
            "params": run.data.params,
            "metrics": run.data.metrics,
            "curves": curves_of(client, run),
            "parent": names.get(run.data.tags.get("mlflow.parentRunId", "")),
            "key": run.data.tags["fashionbench.key"],
            "note": run.data.tags["mlflow.note.content"],
            "datasets": datasets_of(run),
            "files": files_of(run),
        }
        for name, run in runs.items()
    }
    experiments = [run.info.experiment_id for run in runs.values()][:1]
    models = client.search_logged_models(experiments, max_results=1000)
    shown["models"] = sorted((model.name, names.get(model.source_run_id)) for model in models)
    shown["champions"] = champions(client)
    return shown


def datasets_of(run: Run) -> list[tuple[str, str]]:
    """Return name and digest of each data set that a run read."""
    inputs = run.inputs.dataset_inputs if run.inputs else []
    return [(found.dataset.name, found.dataset.digest) for found in inputs]


def champions(client: MlflowClient) -> dict[str, tuple[str, ...]]:
    """Return by registered model its champion's run, that one's key, and the weights' seed."""
    found: dict[str, tuple[str, ...]] = {}
    for model in client.search_registered_models():
        version = client.get_model_version_by_alias(model.name, "champion")
        run = client.get_run(str(version.run_id))
        seed = version.tags["fashionbench.model_seed"]
        found[model.name] = (str(run.info.run_name), run.data.tags["fashionbench.key"], seed)
    return found


def files_of(run: Run) -> dict[str, str]:
    """Return the sha256 of each artifact that a run has in a local folder."""
    folder = Path(unquote(urlparse(run.info.artifact_uri).path))
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def assert_shows_what_dvc_holds(client: MlflowClient, repository: Repository) -> None:
    """Check that each replicate of a repository is there once, with curves, scores and weights.

    The store may show others too: a run counts if it is below a network's champion.
    """
    held = {name.removeprefix("fashionbench-") for name in champions(client)} - {"fashionbench"}
    networks = {path.name for path in (repository.path / "metrics/networks").iterdir()}
    assert held == networks
    for network in networks:
        folder = repository.path / "metrics/networks" / network
        curves, scores = (pd.read_csv(folder / f"{table}.csv") for table in ("curves", "scores"))
        version = client.get_model_version_by_alias(f"fashionbench-{network}", "champion")
        below = [
            run
            for run in runs_of(client)
            if run.data.tags.get("mlflow.parentRunId") == version.run_id
        ]
        seeds = sorted(set(curves["seed"]))
        assert sorted(int(run.data.params["seed"]) for run in below) == seeds
        for run in below:
            seed = int(run.data.params["seed"])
            assert run.info.status == "FINISHED"
            rows = curves[curves["seed"] == seed]
            for name, points in curves_of(client, run).items():
                assert sorted(points) == list(zip(rows["epoch"], rows[name], strict=True))
            for row in scores[scores["seed"] == seed].to_dict("records"):
                for kind in ("loss", "accuracy"):
                    assert run.data.metrics[f"final/{row['split']}_{kind}"] == row[kind]
                if row["split"] != "train":
                    shown = run.data.metrics[f"class_accuracy/{row['split']}_T-shirt-top"]
                    assert shown == row["accuracy T-shirt/top"]
            weights = repository.path / f"models/{network}/seed_{seed}.safetensors"
            sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
            assert run.data.tags["fashionbench.weights_sha256"] == sha256
