"""Write ``params.yaml`` and ``dvc.yaml`` of every study from its ``study.yaml``: ``make deps``.

A study has the project's own stages train and evaluate, once for all its networks, and compare,
with the dependencies that they have in the project's dvc.yaml, and stages of its own after them.
"""

import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from write_dependencies import code_of, report_mistakes

from fashionbench.claims.language import CLAIMS_FILE, in_order, read_declared
from fashionbench.data.sources import RAW_DIR
from fashionbench.datasets import DATASETS_FILE
from fashionbench.errors import ConfigError
from fashionbench.files import read_yaml
from fashionbench.messages import explain
from fashionbench.params import PARAMS_FILE, STRENGTHS, Params, images_of, load_params
from fashionbench.paths import (
    HIGHLIGHTS_DIR,
    NETWORKS_DIR,
    PREDICTIONS_DIR,
    PREPARED_DIR,
    SPLITS,
    STUDIES_DIR,
    network_table,
    split_file,
)
from fashionbench.pipeline.dependencies import PIPELINE_FILE
from fashionbench.studies.design import STUDY_FILE, Design, Point, Study, read_study, study_params
from fashionbench.studies.obtained import OBTAINED_FILE

PROJECT = Path(__file__).resolve().parents[1]

_UP = "../../"
_RUN = f"exec sh {_UP}bin/fashionbench"
_SHARED = ("src/", "data/prepared/")
"""What a study takes from the project."""
_NOT_MADE = ("data/source", "data/highlights")
"""What no stage of a study depends on."""
_CACHED = ("confusion", "weights")
"""Tables that git has of the project's networks, and DVC's cache alone of a study's many points."""
_IN_GIT = {"cache": False}
_TEMPLATES = ("layout.jinja", "macros.jinja", "study.jinja", "study_page.html.jinja", "style.css")
"""Those of a study's own page."""
_HEADER = "# Made by make deps from study.yaml and the project's {name}: edit those.\n"


def main() -> None:
    """Rewrite the files of the studies that are named, or of all; print which have changed."""
    check_all_numbers(PROJECT)
    for folder in studies(PROJECT):
        if sys.argv[1:] and folder.name not in sys.argv[1:]:
            continue
        for name in write_study(folder, PROJECT):
            sys.stdout.write(f"{(folder / name).relative_to(PROJECT)} is up to date again\n")


def studies(project: Path) -> list[Path]:
    """Return the folders of all studies of a project."""
    return [path.parent for path in sorted((project / STUDIES_DIR).glob(f"*/{STUDY_FILE}"))]


def check_all_numbers(project: Path) -> None:
    """Raise ConfigError if two claims, of the report or of any study, have the same number."""
    places: dict[str, Path] = {}
    of_files = {project / CLAIMS_FILE: read_declared(project / CLAIMS_FILE)}
    of_files |= {one / STUDY_FILE: read_study(one / STUDY_FILE).claims for one in studies(project)}
    for path, claims in of_files.items():
        for claim in claims:
            if claim.number in places:
                files = " and ".join(
                    one.relative_to(project).as_posix() for one in (places[claim.number], path)
                )
                raise ConfigError(
                    f"{files} have a claim with the number {claim.number} each; the next free one "
                    f"is {max(in_order(one)[0] for one in places) + 1}"
                )
            places[claim.number] = path


def write_study(folder: Path, project: Path) -> list[str]:
    """Write the files of a study; return the names of those that have changed."""
    changed = []
    for name, text in files_of(folder, project).items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(name)
    return changed


def files_of(folder: Path, project: Path) -> dict[str, str]:
    """Return the text of each file of a study that is made from its study.yaml.

    Raises ConfigError for a study.yaml that is wrong or gives parameters that are.
    """
    study, shared = read_study(folder / STUDY_FILE), read_yaml(project / PARAMS_FILE)
    design = Design(study, load_params(project / PARAMS_FILE))
    # These raise for claims about points that it does not have, or that the report does not make.
    design.claims(folder / STUDY_FILE)
    design.transferred()
    params = study_params(design, shared)
    try:
        Params.model_validate(params, context=project)
    except ValidationError as error:
        why = explain(error.errors()[0], Params.model_fields)
        raise ConfigError(f"{STUDIES_DIR / folder.name / STUDY_FILE}: {why}") from error
    made = {PARAMS_FILE: params, PIPELINE_FILE: _pipeline(design, project)}
    return {
        # Parameters of a network stand in one line, where they fit.
        str(name): _HEADER.format(name=name) + _as_yaml(content, in_lines=name == PARAMS_FILE)
        for name, content in made.items()
    }


def _pipeline(design: Design, project: Path) -> dict[str, Any]:
    """Return a study's dvc.yaml."""
    stages = read_yaml(project / PIPELINE_FILE)["stages"]
    made = {
        "train": _train(stages["train"]["do"], design.points),
        "evaluate": _evaluate(stages["evaluate"]["do"], design.points),
        "compare": _as_in_project("compare", stages["compare"])
        | {"outs": _in_git("comparison.csv", "curves", "summary.json")},
        "analyse": _analyse(design.study, project),
        "publish": _always("publish", "metrics/comparison.csv", "metrics/study.json"),
        "mirror": _always("mirror", "metrics/comparison.csv", "metrics/report.html"),
    }
    return {
        "stages": _with_images(made, stages, design),
        "plots": [
            {f"metrics/curves/{kind}": {"x": "epoch", "y": ["train", "val"], "y_label": kind}}
            for kind in ("loss", "accuracy")
        ]
        + ["metrics/figures"],
    }


def _with_images(made: dict[str, Any], stages: Mapping[str, Any], design: Design) -> dict[str, Any]:
    """Return a study's stages with those that prepare its own images, and get its own data sets.

    Not all of these may be had, and a later run may find more: so they are looked for in each run,
    and what was fetched before stays.
    """
    own, datasets = [point.own for point in design.points], design.own_datasets
    if not any(images_of(of) for of in own):
        return made
    needs_project = not all(images_of(of) for of in own)
    splits = {f"{_UP}{split_file(split)}": str(PREPARED_DIR / split) for split in SPLITS}
    places = {dep: [dep, of] if needs_project else [of] for dep, of in splits.items()}
    obtained = [str(OBTAINED_FILE)] if datasets else []
    for name in ("train", "evaluate", "compare", "analyse", "mirror"):
        deps = [of for dep in made[name]["deps"] for of in places.get(dep, [dep])]
        made[name]["deps"] = [*deps, *obtained]
    download, prepare = (_as_in_project(name, stages[name]) for name in ("download", "prepare"))
    if any(images_of(of) and "dataset" not in of for of in own):
        prepare["deps"] += [f"{_UP}{RAW_DIR}"]
    prepare["deps"] += obtained
    prepare["params"] += ["networks"]
    prepare["outs"] = [*splits.values()]
    if not datasets:
        prepare["deps"].remove(str(RAW_DIR))
        return {"prepare": prepare} | made
    made["analyse"]["deps"] += [f"{_UP}{DATASETS_FILE}"]
    download["outs"] = [{str(RAW_DIR): {"persist": True}}, {str(OBTAINED_FILE): _IN_GIT}]
    download["always_changed"] = True
    made = {"download": download, "prepare": prepare} | made
    if not all("dataset" in of for of in own):
        datasets = ["${dataset}", *datasets]
    for stage in made.values():
        for entry in stage.get("params", []):
            if isinstance(entry, dict):
                _name_datasets(entry, datasets)
    return made


def _as_in_project(name: str, stage: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stage of the project, for all networks at once and without its outputs."""
    deps = [_from_project(dep) for dep in stage["deps"] if dep not in _NOT_MADE]
    return {"cmd": f"{_RUN} {name}", "deps": deps, "params": _params(stage)}


def _name_datasets(params: dict[str, list[str]], datasets: Sequence[str]) -> None:
    """Name the parameters of each data set."""
    for file, keys in params.items():
        params[file] = [key.replace("${dataset}", name) for name in datasets for key in keys]


def _train(stage: Mapping[str, Any], points: Sequence[Point]) -> dict[str, Any]:
    """Return one stage for all points: DVC reads every pipeline of a repository for each command.

    The curves of a study are in DVC's cache alone, so that DVC's run cache restores the stage.
    """
    made = _as_in_project("train", stage)
    params = [*STRENGTHS, "networks", *made["params"]]
    curves = [str(network_table(point.name, "curves")) for point in points]
    return made | {"params": params, "outs": ["models", *curves]}


def _evaluate(stage: Mapping[str, Any], points: Sequence[Point]) -> dict[str, Any]:
    tables = [Path(path).stem for table in stage["plots"] for path in table]
    # Without predictions and highlights, and corrupted images, which a study does not score.
    tables = [table for table in tables if table not in ("${key}", "robustness")]
    made = _as_in_project("evaluate", stage)
    scored = [
        str(path) if table in _CACHED else {str(path): _IN_GIT}
        for point in points
        for table in tables
        for path in [network_table(point.name, table)]
    ]
    outs = [str(PREDICTIONS_DIR), str(HIGHLIGHTS_DIR), *scored]
    return made | {"params": ["networks", *made["params"]], "outs": outs}


def _params(stage: Mapping[str, Any]) -> list[str | dict[str, Any]]:
    """Return the parameters of a stage but for those of one network, and those of the data set."""
    named = [name for name in stage["params"] if isinstance(name, str) and "${" not in name]
    of_files = [entry for entry in stage["params"] if not isinstance(entry, str)]
    return [
        *named,
        *({f"{_UP}{file}": keys for file, keys in entry.items()} for entry in of_files),
    ]


def _analyse(study: Study, project: Path) -> dict[str, Any]:
    code = [
        *code_of("analyse", project),
        *(f"src/fashionbench/page/templates/{name}" for name in _TEMPLATES),
    ]
    made = ["figures", "report.html", "study.json", *(["pairs.csv"] if study.report_claims else [])]
    return {
        "cmd": f"{_RUN} analyse",
        "deps": [
            "data/predictions",
            "metrics/comparison.csv",
            "metrics/networks",
            "params.yaml",
            "study.yaml",
            *([f"{_UP}{CLAIMS_FILE}"] if study.report_claims or study.transfers else []),
            f"{_UP}params.yaml",
            *(f"{_UP}{file}" for file in sorted(code)),
        ],
        "outs": _in_git(*sorted(made)),
    }


def _in_git(*names: str) -> list[dict[str, Any]]:
    return [{f"metrics/{name}": _IN_GIT} for name in names]


def _always(stage: str, *deps: str) -> dict[str, Any]:
    return {"cmd": f"{_RUN} {stage}", "deps": list(deps), "always_changed": True}


def _from_project(dep: str) -> str:
    """Return where a study finds what a stage depends on; of networks, all modules in one."""
    if dep in (f"{NETWORKS_DIR}/${{key}}.json", str(NETWORKS_DIR)):
        return f"{_UP}networks"
    return f"{_UP}{dep}" if dep.startswith(_SHARED) else dep.removesuffix("/${key}")


def _as_yaml(content: Mapping[str, Any], *, in_lines: bool) -> str:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None if in_lines else False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 100
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.ignore_aliases = lambda _: True  # No anchors.
    written = io.StringIO()
    yaml.dump(dict(content), written)
    return written.getvalue()


if __name__ == "__main__":
    report_mistakes(main)
