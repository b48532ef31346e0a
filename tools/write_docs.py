"""Rewrite the generated blocks of README.md and docs/: ``make docs``.

A block stands between ``<!-- begin NAME: make docs -->`` and ``<!-- end NAME -->``. What it says
comes from the results in metrics/, from params.yaml and from dvc.yaml, so that no number is copied
by hand. Files whose blocks are up to date are not touched.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from fashionbench.analysis.model_card import read_champion, write_card
from fashionbench.analysis.result_files import (
    CLAIMS_FILE,
    COMPARISON_FILE,
    DUPLICATES_FILE,
    PAGE_FILE,
    parse_result,
)
from fashionbench.claims.language import CLAIMS_FILE as DECLARED_CLAIMS
from fashionbench.claims.language import registration
from fashionbench.claims.verdicts import BY_ARM, VerdictRecord, VerdictsByArm, count_verdicts
from fashionbench.claims.words import (
    describe_holds,
    describe_misled,
    describe_number,
    format_effect,
    format_ends,
    format_region,
)
from fashionbench.files import read_yaml
from fashionbench.page.page import winner
from fashionbench.params import LossInput, load_params
from fashionbench.paths import STUDIES_DIR
from fashionbench.pipeline.rebuilds import Receipt
from fashionbench.studies.design import STUDY_FILE, read_study
from fashionbench.studies.published import PUBLISHED_DIR
from fashionbench.studies.records import RECORD_FILE, read_record, verdicts_by_loss
from fashionbench.tables import read_table

PROJECT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(<!-- begin (\w+): make docs -->\n).*?(<!-- end \2 -->)", flags=re.S)
SCHEMA_FILE = Path("docs/receipt.schema.json")

_LOSSES = {
    "probabilities": "With the report's loss, cross-entropy of softmax outputs",
    "logits": "With the textbook's loss, cross-entropy of logits",
}


def main() -> None:
    """Renew the blocks of all documents, and print which files have changed."""
    for path in documents(PROJECT):
        old = path.read_text(encoding="utf-8")
        new = renew(old, PROJECT)
        if new != old:
            path.write_text(new, encoding="utf-8")
            sys.stdout.write(f"{path.relative_to(PROJECT)} is up to date again\n")
    (PROJECT / SCHEMA_FILE).write_text(receipt_schema(), encoding="utf-8")


def receipt_schema() -> str:
    """Return the form of receipts of rebuilds, as JSON Schema."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(schema | Receipt.model_json_schema(), indent=2) + "\n"


def documents(folder: Path) -> list[Path]:
    """Return the Markdown files that people read, README.md first."""
    return [
        folder / "README.md",
        folder / "CONTRIBUTING.md",
        *sorted((folder / "docs").glob("*.md")),
    ]


def renew(text: str, folder: Path) -> str:
    """Return a document with its blocks generated from the project in ``folder``.

    Raises KeyError for a block that has no generator, OSError if a source is missing, and
    CalledProcessError if there are no results to print.
    """

    def fill(found: re.Match[str]) -> str:
        begin, name, end = found.groups()
        return f"{begin}{BLOCKS[name](folder).strip()}\n{end}"

    return BLOCK.sub(fill, text)


def results(folder: Path) -> str:
    """Return the comparison of the networks, as ``fashionbench table`` prints it."""
    return _printed_by("table", folder)


def verdicts(folder: Path) -> str:
    """Return all verdicts and explanations, as ``fashionbench verdicts`` prints them."""
    return _printed_by("verdicts", folder)


def answer(folder: Path) -> str:
    """Say who won, and which of the report's sentences hold with either loss, or with its own."""
    lines = [f"- {winner(read_table(folder / COMPARISON_FILE))}"]
    rows = list(zip(*(arm.claims for arm in read_arms(folder).values()), strict=True))
    with_each = " with either loss" if len(rows[0]) > 1 else ""
    decided = {"reproduced": "Holds", "contradicted": "Does not hold"}
    for verdict, heading in decided.items():
        same = [row[0].words for row in rows if {one.verdict for one in row} == {verdict}]
        lines += [f"- {heading}{with_each}: {'; '.join(same) or 'none of the sentences'}."]
    alone = {
        verdict: f"{heading} with the report's loss alone" for verdict, heading in decided.items()
    }
    alone["vacuous"] = "Holds with the report's loss only because a network learned nothing"
    for verdict, heading in alone.items():
        found = [row for row in rows if row[0].verdict == verdict]
        if verdict in decided:
            found = [row for row in found if any(one.verdict != verdict for one in row)]
        if found:
            lines += [f"- {heading}: {'; '.join(row[0].words for row in found)}."]
    left = sum(row[0].verdict in ("inconclusive", "mixed") for row in rows)
    return "\n".join([*lines, f"- Left open with the report's loss: {left} of {len(rows)}."])


def claims(folder: Path) -> str:
    """Return the verdicts counted, one line per loss, what holds with all, and what depends."""
    arms = {loss_input: arm.claims for loss_input, arm in read_arms(folder).items()}
    lines = []
    for loss_input, records in arms.items():
        counts = count_verdicts(records)
        found = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        lines.append(f"- {_LOSSES[loss_input]}: {found}.")
    if len(arms) > 1:
        rows = zip(*arms.values(), strict=True)
        same = [row[0].claim for row in rows if {one.verdict for one in row} == {"reproduced"}]
        lines.append(f"- Claims reproduced with either loss: {', '.join(same) or 'none'}.")
    dependent = {
        "that differ on the official test set, which may be the report's “validation”": _on_split,
        "that hang on leaving runs that lost a class out of the means": _on_runs_left_out,
    }
    for what, depends in dependent.items():
        forks = [
            f"{', '.join(numbers)} with {loss_input}"
            for loss_input, records in arms.items()
            if (numbers := [one.claim for one in records if depends(one)])
        ]
        lines.append(f"- Verdicts {what}: {' and '.join(forks) or 'none'}.")
    seeds = read_yaml(folder / "params.yaml")["seeds"]
    if committed := registration(seeds, folder / DECLARED_CLAIMS):
        lines.append(f"- {committed}")
    lines.append(f"- Would one run have misled? {_misled(folder)}")
    return "\n".join(lines)


def _misled(folder: Path) -> str:
    """Say how often one run misleads: by the study of more seeds, if it has been published."""
    path = folder / PUBLISHED_DIR / "seeds" / RECORD_FILE.name
    if not path.exists():
        return describe_misled(next(iter(read_arms(folder).values())).claims)
    arms = read_record(path).arms
    return " ".join(
        f"With {name}, by {arm.report[-1].seeds} seeds: {describe_misled(arm.report[-1].claims)}"
        for name, arm in arms.items()
    )


def example(folder: Path) -> str:
    """Return one claim from its sentence to its verdict, with the numbers of each answer.

    It is the first that one comparison decides; one that is over all runs and has a number of the
    report, if there is such a claim.
    """
    arm = next(iter(read_arms(folder).values()))
    found = (
        one
        for one in arm.claims
        if one.is_decided and one.level and len(one.conditions) == 1 and not one.remark
    )
    record = max(
        found, key=lambda one: (one.conditions[0].reported is not None, not one.conditions[0].lost)
    )
    (condition,) = record.conditions
    unit, values = condition.unit, condition.values
    adjusted = condition.adjusted and format_ends(unit, condition.adjusted)
    quoted = f", in the report “{record.quote.rstrip('.')}”" if record.quote else ""
    lines = [
        f"The sentence is “{record.words}”{quoted}. The condition is that the "
        f"*{condition.quantity}* lies {format_region(condition)}; the {record.n} seeds give values "
        f"in {format_ends(unit, (min(values), max(values)))}.",
        "",
        f"1. In how many seeds does it hold? In {describe_holds(record)}.",
    ]
    if number := describe_number(condition):
        where = "where one more run lies with 95%"
        lines += [f"1. Can the report's number come from such a run? {number}, {where}."]
    lines += [
        f"1. Where is the mean? At {format_effect(condition)}, Student's t interval. Because "
        f"{len(arm.claims)} claims are tested at once, the wider {adjusted} decides. It lies "
        f"{'within' if record.verdict == 'reproduced' else 'outside'} the claimed bounds.",
        "",
        f"The answers agree: **{record.verdict}**.",
    ]
    return "\n".join(lines)


def _on_split(record: VerdictRecord) -> bool:
    return record.on_test not in (None, record.verdict)


def _on_runs_left_out(record: VerdictRecord) -> bool:
    """Tell whether a verdict stands in no analysis of all runs, whatever else is chosen there."""
    stands, _ = record.multiverse.get("all runs", (1, 1))
    return record.is_decided and not stands


def criteria(folder: Path) -> str:
    """Return what each claim was held to, as a numbered list."""
    arm = next(iter(read_arms(folder).values()))
    return "\n".join(f"{one.claim}. *{one.words}*: {one.why}" for one in arm.claims)


def studies(folder: Path) -> str:
    """Return all studies: titles, verdicts by loss once they have been run, costs."""
    losses = get_args(LossInput)
    rows = [("Study", *(f"With {loss_input}" for loss_input in losses), "On two cores")]
    for path in sorted((folder / STUDIES_DIR).glob(f"*/{STUDY_FILE}")):
        declared, name = read_study(path), path.parent.name
        record = folder / PUBLISHED_DIR / name / RECORD_FILE.name
        target, found = STUDY_FILE, dict.fromkeys(declared.losses, "not run yet")
        if record.exists():
            target, found = PAGE_FILE, verdicts_by_loss(read_record(record))
        link = f"[{name}]({STUDIES_DIR / name / target}): {declared.title}"
        rows.append((link, *(found.get(loss_input, "") for loss_input in losses), declared.cost))
    heading, *lines = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([heading, "|---" * len(rows[0]) + "|", *lines])


def parameters(folder: Path) -> str:
    """Return the parameters of params.yaml: value, comment, and which stages a change reruns."""
    text = (folder / "params.yaml").read_text(encoding="utf-8")
    values = read_yaml(folder / "params.yaml")
    stages = read_yaml(folder / "dvc.yaml")["stages"]
    lines = ["| Parameter | Value | Meaning | Stages that read it |", "|---|---|---|---|"]
    for name, value in values.items():
        if name != "networks":
            found = re.search(rf"^{name}:.*?#(.*)$", text, flags=re.M)
            meaning = found[1].strip() if found else ""
            readers = ", ".join(_readers(name, stages)) or "train"
            lines.append(f"| `{name}` | {value} | {meaning} | {readers} |")
    return "\n".join(lines)


def networks(folder: Path) -> str:
    """Return the declared networks: layers and regularisation."""
    declared = load_params(folder / "params.yaml").networks
    lines = [
        "| Network | Convolutions | Hidden layers | Batch normalisation | Strengths |",
        "|---|---|---|---|---|",
    ]
    for name, layers in declared.items():
        filters, units = (
            ", ".join(map(str, sizes)) or "none"
            for sizes in (layers.conv_filters, layers.hidden_sizes)
        )
        if layers.module:
            filters = units = f"`{layers.module}`"
        used = (layers.dropout, layers.l1, layers.l2)
        strengths = ", ".join(f"`{name}`" for name in used if name != "none") or "none"
        normalised = "yes" if layers.batch_norm else "no"
        lines.append(f"| {name} | {filters} | {units} | {normalised} | {strengths} |")
    return "\n".join(lines)


def model_card(folder: Path) -> str:
    """Return the model card of the champion."""
    return write_card(read_champion(folder), load_params(folder / "params.yaml"))


def duplicates(folder: Path) -> str:
    """Return how many images occur more than once."""
    found = json.loads((folder / DUPLICATES_FILE).read_text(encoding="utf-8"))
    return (
        f"- {found['train']:,} training images repeat an earlier one, and {found['test']:,} test "
        "images;\n"
        f"- {found['in_both']:,} test images are training images too, {found['other_label']:,} of "
        "them with another label there."
    )


BLOCKS = {
    generate.__name__: generate
    for generate in (
        results,
        verdicts,
        answer,
        claims,
        criteria,
        example,
        studies,
        parameters,
        networks,
        model_card,
        duplicates,
    )
}
"""What fills a block, by its name: a function of the project's folder."""


def _printed_by(command: str, folder: Path) -> str:
    words = [sys.executable, "-m", "fashionbench", command, "--markdown"]
    env = os.environ | {"PYTHONPATH": str(folder / "src")}
    done = subprocess.run(words, cwd=folder, env=env, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def read_arms(folder: Path) -> VerdictsByArm:
    """Read the verdicts of the project in ``folder``; DataError for those of another version."""
    text = (folder / CLAIMS_FILE).read_text(encoding="utf-8")
    return parse_result(BY_ARM, text, CLAIMS_FILE)


def _readers(parameter: str, stages: Mapping[str, Any]) -> list[str]:
    key = "datasets.yaml" if parameter == "dataset" else parameter
    return [
        name
        for name, stage in stages.items()
        for entry in stage.get("do", stage).get("params", ())
        # An entry for another file is a mapping.
        if key == entry or (not isinstance(entry, str) and key in entry)
    ]


if __name__ == "__main__":
    main()
