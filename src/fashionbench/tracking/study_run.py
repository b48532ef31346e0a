"""The run of a study: the parent of its networks' runs, with its page and its figures."""

from mlflow import MlflowClient
from mlflow.entities import Param, RunStatus, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from fashionbench.analysis.files import COMPARISON_FILE, FIGURES_DIR, PAGE_FILE
from fashionbench.paths import study
from fashionbench.pipeline.dependencies import sha256_of
from fashionbench.pipeline.identity import digest
from fashionbench.studies.declared import read_study
from fashionbench.studies.records import read_record
from fashionbench.studies.words import summarise
from fashionbench.tracking.artifacts import has_artifact
from fashionbench.tracking.run_spec import STUDY_TAG
from fashionbench.tracking.runs import CONTENT_TAG, KEY_TAG, LAUNCHER, end


def study_run(client: MlflowClient, experiment: str) -> str | None:
    """Return the id of the run of the study in the current folder, created if need be.

    Its parameters are the study's factors with all their values; the runs below it have one value
    each under the same names. None at the top of the project. Raises ConfigError for a study.yaml
    that is wrong.
    """
    name = study()
    if name is None:
        return None
    key = digest("study", name)
    found = client.search_runs([experiment], f"tags.`{KEY_TAG}` = '{key}'", max_results=1)
    if found:
        return str(found[0].info.run_id)
    declared = read_study()
    tags = {
        KEY_TAG: key,
        STUDY_TAG: name,
        MLFLOW_RUN_NOTE: f"{declared.title}. {declared.question}",
    }
    if LAUNCHER:
        tags[MLFLOW_PARENT_RUN_ID] = LAUNCHER
    run = str(client.create_run(experiment, tags=tags, run_name=f"study {name}").info.run_id)
    params = [Param("losses", ", ".join(declared.losses))]
    for factor, values in declared.factors.items():
        params.append(Param(factor, ", ".join(map(str, values))))
    client.log_batch(run, params=params)
    # Finished at once: its children tell whether anything is under way.
    end(client, run, RunStatus.FINISHED)
    return run


def log_study(client: MlflowClient, experiment: str) -> None:
    """Log page, comparison and figures of the study to its run, and its verdicts as the note."""
    run_id = study_run(client, experiment)
    assert run_id is not None, "called in the folder of a study"
    record, run = read_record(), client.get_run(run_id)
    figures = [FIGURES_DIR / f"{figure.name}.svg" for figure in record.figures]
    files = [PAGE_FILE, COMPARISON_FILE, *figures]
    content = digest([sha256_of(file) for file in files])
    is_there = all(has_artifact(run, file.name) for file in files)
    if is_there and run.data.tags.get(CONTENT_TAG) == content:
        return
    for file in files:
        client.log_artifact(run_id, str(file))
    note = f"{record.title}. {record.question}\n\nVerdicts: {summarise(record)}."
    tags = [RunTag(MLFLOW_RUN_NOTE, note), RunTag(CONTENT_TAG, content)]
    client.log_batch(run_id, tags=tags)
