"""Rewrite the generated blocks of README.md and docs/: ``make docs``.

A block stands between ``<!-- begin NAME: make docs -->`` and ``<!-- end NAME -->``. What it says
comes from the results in metrics/, from params.yaml, dvc.yaml and the docstrings of the modules, so
that no number is copied by hand. Files whose blocks are up to date are not touched.
"""

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from ruamel.yaml import YAML
from study_table import studies
from trust_blocks import duplicates, model_card

from fashionbench.analysis.conditions import Verdict
from fashionbench.analysis.files import CLAIMS_FILE
from fashionbench.analysis.result_files import parse_result
from fashionbench.analysis.verdict_records import BY_ARM, VerdictsByArm
from fashionbench.analysis.verdict_words import describe_misled

PROJECT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(<!-- begin (\w+): make docs -->\n).*?(<!-- end \2 -->)", flags=re.S)
PACKAGES = (
    "pipeline",
    "data",
    "training",
    "workers",
    "evaluation",
    "analysis",
    "studies",
    "page",
    "serving",
    "tracking",
    "stages",
    "commands",
)
"""From the ground up: each imports only from those before it."""

# What dvc.yaml writes in place of a parameter's name.
_TEMPLATES = {
    "dropout_prob": "${item.dropout}",
    "l1_strength": "${item.l1}",
    "l2_strength": "${item.l2}",
    "networks": "networks.${key}",
}
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


def claims(folder: Path) -> str:
    """Return the verdicts counted, one line per loss, what holds with all, and what depends."""
    arms = _read_claims(folder)
    lines = []
    for loss_input, records in arms.items():
        counts = Counter(record["verdict"] for record in records)
        found = ", ".join(f"{counts[name]} {name}" for name in get_args(Verdict) if counts[name])
        lines.append(f"- {_LOSSES[loss_input]}: {found}.")
    if len(arms) > 1:
        rows = zip(*arms.values(), strict=True)
        shared = ", ".join(
            str(row[0]["claim"])
            for row in rows
            if all(record["verdict"] == "reproduced" for record in row)
        )
        lines.append(f"- Claims reproduced with either loss: {shared or 'none'}.")
    forks = [
        f"{', '.join(numbers)} with {loss_input}"
        for loss_input, records in arms.items()
        if (numbers := [str(one["claim"]) for one in records if _depends_on_split(one)])
    ]
    lines.append(
        "- Other on the official test set, should that be the report's “validation”: claims "
        f"{' and '.join(forks) or 'none'}."
    )
    arm = next(iter(read_arms(folder).values()))
    lines.append(f"- Would one run have misled? {describe_misled(arm.claims)}")
    return "\n".join(lines)


def _depends_on_split(record: dict[str, Any]) -> bool:
    return record["on_test"] not in (None, record["verdict"])


def criteria(folder: Path) -> str:
    """Return what each claim was held to, as a numbered list."""
    records = next(iter(_read_claims(folder).values()))
    return "\n".join(
        f"{record['claim']}. *{record['words']}*: {record['why']}" for record in records
    )


def parameters(folder: Path) -> str:
    """Return the parameters of params.yaml: value, comment, and which stages a change reruns."""
    text = (folder / "params.yaml").read_text(encoding="utf-8")
    values = YAML(typ="safe").load(text)
    stages = _read_yaml(folder / "dvc.yaml")["stages"]
    lines = ["| Parameter | Value | Meaning | Stages that read it |", "|---|---|---|---|"]
    for name, value in values.items():
        if name not in ("networks", "none"):
            found = re.search(rf"^{name}:.*?#(.*)$", text, flags=re.M)
            meaning = found[1].strip() if found else ""
            readers = ", ".join(_readers(name, stages))
            lines.append(f"| `{name}` | {value} | {meaning} | {readers} |")
    return "\n".join(lines)


def networks(folder: Path) -> str:
    """Return the declared networks: layers and regularisation."""
    declared = _read_yaml(folder / "params.yaml")["networks"]
    lines = [
        "| Network | Convolutions | Hidden layers | Batch normalisation | Strengths |",
        "|---|---|---|---|---|",
    ]
    for name, layers in declared.items():
        filters, units = (
            ", ".join(map(str, layers[kind])) or "none" for kind in ("conv_filters", "hidden_sizes")
        )
        used = (layers[kind] for kind in ("dropout", "l1", "l2") if layers[kind] != "none")
        strengths = ", ".join(f"`{parameter}`" for parameter in used) or "none"
        normalised = "yes" if layers["batch_norm"] else "no"
        lines.append(f"| {name} | {filters} | {units} | {normalised} | {strengths} |")
    return "\n".join(lines)


def modules(folder: Path) -> str:
    """Return every module with the first paragraph of its docstring, package by package."""
    package = folder / "src/fashionbench"
    lines = []
    for parent in (package, *(package / name for name in PACKAGES)):
        described = {
            path.name: _summary(path)
            for path in sorted(parent.glob("*.py"))
            if not path.name.startswith("__")
        }
        if described:
            lines.append(f"\n### {parent.relative_to(package.parent).as_posix()}\n")
            lines += [f"- `{name}`: {summary}" for name, summary in described.items()]
    return "\n".join(lines)


BLOCKS = {
    generate.__name__: generate
    for generate in (
        results,
        verdicts,
        claims,
        criteria,
        studies,
        parameters,
        networks,
        model_card,
        duplicates,
        modules,
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


def _read_claims(folder: Path) -> dict[str, list[dict[str, Any]]]:
    return {name: arm.model_dump(mode="json")["claims"] for name, arm in read_arms(folder).items()}


def _read_yaml(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    return content


def _readers(parameter: str, stages: Mapping[str, Any]) -> list[str]:
    names = {parameter, _TEMPLATES.get(parameter, parameter)}
    return [
        name
        for name, stage in stages.items()
        if names & {*stage.get("do", stage).get("params", ())}
    ]


def _summary(module: Path) -> str:
    """Return the first paragraph of a module's docstring, without markup."""
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(docstring.partition("\n\n")[0].split())
    return re.sub(r":\w+:`|`", "", paragraph)


if __name__ == "__main__":
    main()
