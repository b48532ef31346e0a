"""Brings MLflow up to date with DVC's results, whether a stage made them or DVC restored them.

All functions are idempotent: what MLflow has already is left unchanged. Curves and scores are read
from metrics/, which git has, whoever made them; weights and models follow once DVC has the weights.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import median
from typing import cast

import pandas as pd
from mlflow import MlflowClient

from fashionbench.analysis.result_files import COMPARISON_FILE, FIGURES_DIR, KINDS, PAGE_FILE
from fashionbench.errors import DataError, StoreError
from fashionbench.evaluation.scores import best_seed
from fashionbench.files import replace_file
from fashionbench.params import Params
from fashionbench.paths import champion_file, in_workspace, network_table, study, weights_file
from fashionbench.pipeline.dependencies import Dependencies, digest, sha256_of
from fashionbench.studies.records import read_record, summarise
from fashionbench.tables import read_table
from fashionbench.tracking.log import Results, Rows, Runs, study_run
from fashionbench.tracking.registry import (
    MODEL_SEED_TAG,
    MODEL_TAG,
    Model,
    describe_champion,
    has_model,
    keeps_models,
    log_model,
    update_registry,
)
from fashionbench.tracking.run_spec import (
    SEPARATOR,
    RunSpec,
    describe_network,
    describe_replicate,
    describe_study,
    provenance_of_restored,
)
from fashionbench.tracking.runs import DECIMALS
from fashionbench.tracking.store import (
    locked_store,
    warn,
    warn_about_surroundings,
    warn_without_models,
)
from fashionbench.tracking.views import MODEL_SCORE, show_experiment

WEIGHTS_TAG = "fashionbench.weights_sha256"

_CLASS_COLUMN = "accuracy "  # As in "accuracy Shirt".
_NOT_IN_NAMES = re.compile(r"[^\w.\- :]")
"""What MLflow allows in no name of a metric, and the slash, which would make a folder."""


@dataclass(frozen=True, kw_only=True)
class NetworkResults:
    """What the runs of a network and of its replicates, by seed, are to show, and its model.

    There is no model without the weights of the best replicate, which git keeps, nor in a study.
    """

    name: str
    spec: RunSpec
    own: Results
    replicates: Mapping[int, tuple[RunSpec, Results]]
    model: Model | None


def mirror_pipeline(params: Params) -> bool:
    """Bring the runs of all networks, their figures and models and the registry up to date.

    The many networks of a study have runs, but neither weights nor models in MLflow.
    Returns whether that succeeded: an unreachable store is a warning. Raises DataError if a table
    of results is missing.
    """
    try:
        # Read once for all networks, since that takes a tenth of a second.
        dependencies = Dependencies.of("train", next(iter(params.networks)))
        everything = [read_results(params, name, dependencies) for name in params.networks]
        if in_workspace():
            _keep_champions(everything)
        with locked_store() as (client, experiment):
            with_models = not study() and keeps_models(client, experiment)
            runs = Runs(client, experiment)
            to_fill = [
                results
                for results in everything
                if not _is_logged(client, runs, results, with_model=with_models)
            ]
        for results in to_fill:
            _fill(results, with_model=with_models)
        with locked_store() as (client, experiment):
            runs = Runs(client, experiment) if to_fill else runs
            if study():
                _log_study(client, experiment)
                return True
            _log_comparison(runs, everything)
            show_experiment(client, client.get_experiment(experiment), runs.params_of_networks())
            if with_models:
                _register(client, runs, everything, params)
            else:
                warn_without_models()
        warn_about_surroundings()
    except StoreError as error:
        warn(error)
        return False
    return True


def _keep_champions(everything: Iterable[NetworkResults]) -> None:
    """Copy the weights of each network's best replicate to where git keeps them for clones.

    No stage has them as an output: in a clone it would be out of date until all is trained.
    """
    for model in (results.model for results in everything if results.model):
        kept, weights = champion_file(model.network.name), model.weights.read_bytes()
        if not kept.exists() or kept.read_bytes() != weights:
            replace_file(kept, weights)


def _is_logged(
    client: MlflowClient, runs: Runs, results: NetworkResults, *, with_model: bool
) -> bool:
    parent = runs.find(results.spec.key)
    return bool(
        parent
        and runs.shows(results.spec.key, results.own)
        and all(
            runs.shows(spec.key, of_seed, parent.info.run_id)
            for spec, of_seed in results.replicates.values()
        )
        and (
            not (with_model and results.model)
            or has_model(client, parent.data.tags.get(MODEL_TAG), results.model)
        )
    )


def _fill(results: NetworkResults, *, with_model: bool) -> None:
    """Log what a network's runs lack."""
    name = results.name
    with locked_store() as (client, experiment):
        runs = Runs(client, experiment, network=name)
        if _is_logged(client, runs, results, with_model=with_model):
            return
        if any(runs.is_busy(spec.key) for spec, _ in results.replicates.values()):
            return  # Another process is training the same, and will do this itself.
        tags = provenance_of_restored(network_table(name, "curves"))
        tags |= {"dvc.stage": "train" if study() else f"train@{name}"}
        parent = runs.start(results.spec, study_run(client, experiment), tags)
        for spec, of_seed in results.replicates.values():
            runs.bring(spec, of_seed, parent.run, tags)
        if with_model and results.model:
            logged = log_model(client, experiment, parent.run, results.model)
            client.set_tag(parent.run, MODEL_TAG, logged)
        parent.add(results.own, is_whole=True)
        parent.end()


def _log_comparison(runs: Runs, everything: list[NetworkResults]) -> None:
    """Log a run for all networks together, with the comparison and the page."""
    from fashionbench.analysis.comparison import to_markdown

    files = (COMPARISON_FILE, FIGURES_DIR / "accuracy.svg", PAGE_FILE)
    provenance = provenance_of_restored(COMPARISON_FILE)
    experiment = provenance.get("dvc.experiment")
    spec = RunSpec(
        key=digest("comparison", [results.spec.key for results in everything]),
        name=f"comparison{SEPARATOR}{experiment}" if experiment else "comparison",
        note=to_markdown(read_table(COMPARISON_FILE)),
    )
    runs.bring(spec, Results(files=dict.fromkeys(files, "")), None, provenance)


def _register(
    client: MlflowClient, runs: Runs, everything: list[NetworkResults], params: Params
) -> None:
    """Register the models that are logged, and describe the champion in the workspace."""
    found = ((results.model, runs.find(results.spec.key)) for results in everything)
    models = [(model, run) for model, run in found if model and run and MODEL_TAG in run.data.tags]
    if models:
        update_registry(client, models)
        if in_workspace():
            describe_champion(client, params)


def _log_study(client: MlflowClient, experiment: str) -> None:
    """Log page, comparison and figures of the study to its run, and its verdicts as the note."""
    spec, record = describe_study(), read_record()
    spec = replace(spec, note=f"{spec.note}\n\nVerdicts: {summarise(record)}.")
    figures = [FIGURES_DIR / f"{figure.name}.svg" for figure in record.figures]
    files = dict.fromkeys([PAGE_FILE, COMPARISON_FILE, *figures], "")
    Runs(client, experiment, key=spec.key).bring(spec, Results(files=files), None, {})


def read_results(params: Params, name: str, dependencies: Dependencies) -> NetworkResults:
    """Read the results of network ``name``.

    ``dependencies`` are those of stage ``train`` for any network, which all have the same files.
    Weights are left out where DVC has made no folder of them, as in a clone that has pulled none.
    Raises DataError if a table or a seed in it is missing, OSError if one of the weights is,
    ConfigError for an unknown name.
    """
    params = params.of(name)
    network, hyperparameters = params.network(name), params.hyperparameters
    curves, scores = (read_table(network_table(name, table)) for table in ("curves", "scores"))
    replicates = {}
    for seed in params.seeds:
        spec = describe_replicate(network, hyperparameters, seed, dependencies)
        weights = weights_file(name, seed)
        has_weights = weights.parent.is_dir()
        results = Results(
            curve=_rows(curves, seed, name),
            scores=_metrics(_rows(scores, seed, name)),
            tags={WEIGHTS_TAG: sha256_of(weights)} if has_weights else {},
            files={weights: "weights"} if has_weights and not study() else {},
        )
        replicates[seed] = (spec, results)
    specs = {seed: spec for seed, (spec, _) in replicates.items()}
    spec = describe_network(network, hyperparameters, specs)
    by_seed = [results for _, results in replicates.values()]
    accuracies = {seed: of_seed.scores[MODEL_SCORE] for seed, (_, of_seed) in replicates.items()}
    best = best_seed(accuracies)
    files = (weights_file(name, best), champion_file(name))
    figure = FIGURES_DIR / "networks" / f"{name}.svg"
    model = Model(
        network=network,
        precision=hyperparameters.precision,
        key=specs[best].key,
        seed=best,
        weights=next((file for file in files if file.is_file()), files[0]),
        score=median(accuracies.values()),
        note=spec.note,
        classes=params.dataset.classes,
    )
    return NetworkResults(
        name=name,
        spec=spec,
        own=Results(
            curve=average_curves([results.curve for results in by_seed]),
            scores=average_scores([results.scores for results in by_seed]),
            # Drawn after the first evaluation.
            files={figure: ""} if figure.is_file() and not study() else {},
            tags={MODEL_SEED_TAG: str(best)},
        ),
        replicates=replicates,
        model=model if model.weights.is_file() and not study() else None,
    )


def _rows(table: pd.DataFrame, seed: int, name: str) -> Rows:
    rows = cast(Rows, table[table["seed"] == seed].drop(columns="seed").to_dict("records"))
    if not rows:
        raise DataError(f"the tables of {name} in metrics/ have no seed {seed}; run dvc repro")
    return rows


def _metrics(scores: Rows) -> dict[str, float]:
    """Return the scores of a replicate by the names that they have in MLflow.

    Those of a class, such as class_accuracy/test_Shirt, are of the images that training never saw.
    """
    found: dict[str, float] = {}
    for row in scores:
        split = row["split"]
        found |= {f"final/{split}_{kind}": float(row[kind]) for kind in KINDS}
        if str(split) != "train":
            for column in row:
                if column.startswith(_CLASS_COLUMN):
                    label = _NOT_IN_NAMES.sub("-", column.removeprefix(_CLASS_COLUMN))
                    found[f"class_accuracy/{split}_{label}"] = float(row[column])
    return found


def average_curves(curves: list[Rows]) -> Rows:
    """Return one row per epoch, each value a mean over seeds, rounded as those of the seeds."""
    return [
        {name: round(sum(row[name] for row in rows) / len(rows), DECIMALS) for name in rows[0]}
        for rows in zip(*curves, strict=True)
    ]


def average_scores(scores: list[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean over seeds of each score, and the ends of the 95% interval of final ones.

    ``scores`` have an entry for each seed. A mean has the name of the score, so that networks and
    replicates share a column in MLflow; ``interval/n`` is the number of seeds.
    """
    from fashionbench.analysis.statistics import estimate

    averages = {"interval/n": float(len(scores))}
    for name in scores[0]:
        found = estimate([of_seed[name] for of_seed in scores])
        group, _, short = name.partition("/")
        averages[name] = round(found.mean, DECIMALS)
        if group == "final":
            averages[f"interval/{short}_low"] = round(found.low, DECIMALS)
            averages[f"interval/{short}_high"] = round(found.high, DECIMALS)
    return averages
