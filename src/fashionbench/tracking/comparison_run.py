"""Logs what shows all networks together: figures, comparison and page."""

from collections.abc import Sequence

from mlflow import MlflowClient
from mlflow.entities import RunStatus

from fashionbench.analysis.files import COMPARISON_FILE, FIGURES_DIR, PAGE_FILE
from fashionbench.pipeline.dependencies import sha256_of
from fashionbench.pipeline.identity import digest
from fashionbench.tables import read_table
from fashionbench.tracking.artifacts import has_artifact
from fashionbench.tracking.names import SEPARATOR
from fashionbench.tracking.run_spec import RunSpec, provenance_of_restored
from fashionbench.tracking.runs import CONTENT_TAG, Runs, end
from fashionbench.tracking.stored_results import StoredResults

FIGURE_TAG = "fashionbench.figure_sha256"


def log_figures(client: MlflowClient, runs: Runs, all_results: Sequence[StoredResults]) -> None:
    """Log each network's figure to its run."""
    for results in all_results:
        run = runs.find(results.spec.key)
        figure = FIGURES_DIR / "networks" / f"{results.network.name}.svg"
        sha256 = sha256_of(figure)
        if run is None:
            continue
        is_told = run.data.tags.get(FIGURE_TAG) == sha256
        if not (is_told and has_artifact(run, figure.name)):
            client.log_artifact(run.info.run_id, str(figure))
            client.set_tag(run.info.run_id, FIGURE_TAG, sha256)


def log_comparison(client: MlflowClient, runs: Runs, all_results: Sequence[StoredResults]) -> None:
    """Log a run for all networks together, with the comparison and the page."""
    files = (COMPARISON_FILE, FIGURES_DIR / "accuracy.svg", PAGE_FILE)
    content = digest([sha256_of(file) for file in files])
    key = digest("comparison", [results.spec.key for results in all_results])
    run = runs.find(key)
    is_there = run and all(has_artifact(run, file.name) for file in files)
    if is_there and runs.is_complete(key, content):
        return
    from fashionbench.analysis.comparison_table import to_markdown

    note = to_markdown(read_table(COMPARISON_FILE))
    provenance_tags = provenance_of_restored(COMPARISON_FILE)
    experiment = provenance_tags.get("dvc.experiment")
    name = f"comparison{SEPARATOR}{experiment}" if experiment else "comparison"
    spec = RunSpec(key=key, name=name, note=note, params={})
    started = runs.start(spec, None, provenance_tags)
    for file in files:
        client.log_artifact(started, str(file))
    client.set_tag(started, CONTENT_TAG, content)
    end(client, started, RunStatus.FINISHED)
