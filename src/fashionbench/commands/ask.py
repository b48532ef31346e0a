"""The command ``fashionbench ask``: answers a question in one line from the scores that are kept.

It is judged as a claim is, in a family of its own; nothing is trained, and nothing is written.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from fashionbench.analysis.results import Flags, Results, class_names, read_correct
from fashionbench.claims.judging import judge
from fashionbench.claims.language import conjoin
from fashionbench.claims.quantities import make_claims
from fashionbench.claims.question import Name, Question, QuestionError, parse
from fashionbench.claims.verdicts import VerdictRecord
from fashionbench.claims.words import (
    describe_crossed,
    describe_flips,
    describe_holds,
    describe_needed,
    describe_on_test,
    describe_others,
    describe_runs,
    format_effect,
    label,
)
from fashionbench.messages import did_you_mean
from fashionbench.params import PARAMS_FILE, Params, load_params
from fashionbench.paths import STUDIES_DIR, network_table, project_folder, study
from fashionbench.studies.design import STUDY_FILE, Design, read_study
from fashionbench.studies.published import COUNTERPART
from fashionbench.tables import read_table

AFTERWARDS = (
    "Asked after the results were seen: this describes these runs, and only new seeds can "
    "confirm it."
)


def ask(text: str, form: str = "text") -> None:
    """Print the answer to a question as ``text``, ``json`` or ``markdown``.

    Raises QuestionError after pointing at the character, DataError if there are no scores.
    """
    try:
        question, record = answer(text)
    except QuestionError as error:
        sys.stderr.write(f"{text}\n{' ' * error.place}^\n")
        raise
    rows = describe(record)
    effect = f"{question.quantity[:1].upper()}{question.quantity[1:]}: "
    effect += format_effect(record.conditions[0]) if record.conditions else record.remark
    if form == "json":
        found = {"question": question.text, "quantity": question.quantity, "note": AFTERWARDS}
        lines = [json.dumps(found | record.model_dump(mode="json"), indent=1)]
    elif form == "markdown":
        heads = [f"{effect}.", "", f"| {question.text} | {label(record.verdict)} |", "|---|---|"]
        lines = [*heads, *(f"| {name} | {value} |" for name, value in rows.items()), "", AFTERWARDS]
    else:
        width = max(map(len, rows))
        lines = [f"{label(record.verdict)}: {question.text}", effect]
        lines += [*(f"  {name:<{width}}  {value}" for name, value in rows.items()), AFTERWARDS]
    sys.stdout.write("\n".join([*lines, ""]))


def describe(record: VerdictRecord) -> dict[str, str]:
    """Return the answers behind a verdict on one condition, by their names; none is empty."""
    condition = record.conditions[0]
    pairs = "" if record.pairs is None else f"{100 * record.pairs:.0f}% of all combinations"
    rows = {
        "over seeds and images": describe_crossed(condition).replace(" over seeds and images", ""),
        "this effect is": describe_runs(condition),
        "otherwise it is": describe_others(condition),
        "on the test images": describe_on_test(condition).replace(" on the test images", ""),
        "holds in": "; ".join(filter(None, (describe_holds(record), pairs))),
        "p": "" if record.p is None else f"{record.p:.2g}, as the only claim of its family",
        "not tested": record.remark,
        "other verdict": describe_flips(condition) if record.level else "",
        "seeds to decide": describe_needed(record.needed),
    }
    return {name: value for name, value in rows.items() if value}


def answer(text: str) -> tuple[Question, VerdictRecord]:
    """Read a question and judge it by all replicates that are kept.

    Raises QuestionError, DataError if there are no scores, ConfigError for wrong YAML.
    """
    project = load_params(project_folder() / PARAMS_FILE)
    first = read_table(project_folder() / network_table(next(iter(project.networks)), "scores"))
    classes = class_names(first)
    question = parse(text, classes)
    scores: dict[str, pd.DataFrame] = {}
    correct: dict[str, Mapping[int, Flags]] = {}
    for asked in question.networks:
        folder, name = _find(asked, question, project)
        table = read_table(folder / network_table(name, "scores"))
        scores[asked.name] = _asked(table, question)
        seeds = {name: table["seed"].unique().tolist()}
        number = classes.index(question.label) if question.label else None
        found = read_correct(folder, seeds, question.split, number)
        correct |= {asked.name: found[name]} if found else {}
    results = Results(curves={}, scores=scores, weights={}, correct={"val": correct})
    claims = make_claims(
        [question.declared()], lambda points: {n: n for n in points.names}, PARAMS_FILE
    )
    return question, judge(claims, results).claims[0]


def _asked(scores: pd.DataFrame, question: Question) -> pd.DataFrame:
    """Return scores in which the images and the class that are asked about stand for all."""
    if question.split == "test":
        test = scores[scores["split"] == "test"].assign(split="val")
        scores = pd.concat([scores[scores["split"] != "val"], test], ignore_index=True)
    return (
        scores.assign(accuracy=scores[f"accuracy {question.label}"]) if question.label else scores
    )


def _find(asked: Name, question: Question, project: Params) -> tuple[Path, str]:
    """Return the folder that holds the results of a network, and its name there."""
    here, _, name = asked.name.rpartition("/")
    here = here or study() or ""
    if not here and question.loss_input in (None, project.loss_input):
        if name not in project.networks:
            raise QuestionError(asked.place, question.text, _unknown(name, list(project.networks)))
        return project_folder(), name
    here = here or COUNTERPART
    file = project_folder() / STUDIES_DIR / here / STUDY_FILE
    if not file.exists():
        studies = [path.parent.name for path in sorted(file.parent.parent.glob(f"*/{STUDY_FILE}"))]
        raise QuestionError(asked.place, question.text, _unknown(here, studies, "study"))
    design = Design(read_study(file), project)
    loss = question.loss_input or design.study.losses[0]
    points = {point.label: point.name for point in design.of(loss)}
    if not points:
        raise QuestionError(asked.place, question.text, f"study {here} has no runs with {loss}")
    if name not in points:
        raise QuestionError(asked.place, question.text, _unknown(name, list(points)))
    scores = file.parent / network_table(points[name], "scores")
    if scores.is_file() and not scores.stat().st_size:
        raise QuestionError(asked.place, question.text, f"study {here} could not get its data set")
    return file.parent, points[name]


def _unknown(name: str, known: list[str], what: str = "network") -> str:
    guess = did_you_mean(name, known)
    return f"no such {what}{guess or f'; there are {conjoin(known)}'}"
