"""Write ``params.yaml`` and ``dvc.yaml`` of every study from its ``study.yaml``: ``make deps``.

A study has the project's own stages train and evaluate, once for all its networks, and compare,
with the dependencies that they have in the project's dvc.yaml, and stages of its own after them.
"""

import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from write_dependencies import code_of

from fashionbench.params import PARAMS_FILE, Params, load_params
from fashionbench.paths import HIGHLIGHTS_DIR, PREDICTIONS_DIR, STUDIES_DIR, network_table
from fashionbench.pipeline.dependencies import PIPELINE_FILE
from fashionbench.studies.claims import claims_of
from fashionbench.studies.declared import STUDY_FILE, Study, read_study
from fashionbench.studies.design import Design, Point, study_params
from fashionbench.yaml_files import read_yaml

PROJECT = Path(__file__).resolve().parents[1]

_UP = "../../"
_SHARED = ("src/", "data/prepared/")
"""What a study takes from the project."""
_CACHED = ("confusion", "weights")
"""Tables that git has of the project's networks, and DVC's cache alone of a study's many points."""
_STRENGTHS = ("dropout_prob", "l1_strength", "l2_strength")
"""Parameters on which a network depends only if it names them: a study's stage does so always."""
_IN_GIT = {"cache": False}
_HEADER = "# Made by make deps from study.yaml and the project's {name}: edit those.\n"


def main() -> None:
    """Rewrite the files of all studies, and print which have changed."""
    for folder in studies(PROJECT):
        for name in write_study(folder, PROJECT):
            sys.stdout.write(f"{(folder / name).relative_to(PROJECT)} is up to date again\n")


def studies(project: Path) -> list[Path]:
    """Return the folders of all studies of a project."""
    return [path.parent for path in sorted((project / STUDIES_DIR).glob(f"*/{STUDY_FILE}"))]


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
    claims_of(design)  # Raises for a claim about points that the study does not have.
    params = study_params(design, shared)
    Params.model_validate(params)
    made = {PARAMS_FILE: params, PIPELINE_FILE: _pipeline(design, project)}
    return {
        # Parameters of a network stand in one line, where they fit.
        str(name): _HEADER.format(name=name) + _as_yaml(content, in_lines=name == PARAMS_FILE)
        for name, content in made.items()
    }


def _pipeline(design: Design, project: Path) -> dict[str, Any]:
    stages = read_yaml(project / PIPELINE_FILE)["stages"]
    return {
        "stages": {
            "train": _train(stages["train"]["do"], design.points),
            "evaluate": _evaluate(stages["evaluate"]["do"], design.points),
            "compare": _compare(stages["compare"]),
            "analyse": _analyse(design.study, project),
            "publish": _always("publish", "metrics/comparison.csv", "metrics/study.json"),
            "mirror": _always("mirror", "metrics/comparison.csv", "metrics/report.html"),
        },
        "plots": [
            {f"metrics/curves/{kind}": {"x": "epoch", "y": ["train", "val"], "y_label": kind}}
            for kind in ("loss", "accuracy")
        ]
        + ["metrics/figures"],
    }


def _train(stage: Mapping[str, Any], points: Sequence[Point]) -> dict[str, Any]:
    """Return one stage for all points: DVC reads every pipeline of a repository for each command.

    The curves of a study are in DVC's cache alone, so that DVC's run cache restores the stage.
    """
    names = [name for name in stage["params"] if "${" not in name]
    return {
        "cmd": f"{_UP}bin/fashionbench train-all",
        "deps": [_from_project(dep) for dep in stage["deps"]],
        "params": [*names, *_STRENGTHS, "networks"],
        "outs": ["models", *(str(network_table(point.name, "curves")) for point in points)],
    }


def _evaluate(stage: Mapping[str, Any], points: Sequence[Point]) -> dict[str, Any]:
    names = [name for name in stage["params"] if "${" not in name]
    tables = [Path(path).stem for table in stage["plots"] for path in table]
    return {
        "cmd": f"{_UP}bin/fashionbench evaluate-all",
        "deps": [_from_project(dep).removesuffix("/${key}") for dep in stage["deps"]],
        "params": [*names, "networks"],
        "outs": [
            str(PREDICTIONS_DIR),
            str(HIGHLIGHTS_DIR),
            *(
                str(path) if table in _CACHED else {str(path): _IN_GIT}
                for point in points
                for table in tables
                for path in [network_table(point.name, table)]
            ),
        ],
    }


def _compare(stage: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "cmd": f"{_UP}{stage['cmd']}",
        "deps": [_from_project(dep) for dep in stage["deps"] if dep != "data/highlights"],
        "params": stage["params"],
        "outs": [
            {f"metrics/{name}": _IN_GIT} for name in ("comparison.csv", "curves", "summary.json")
        ],
    }


def _analyse(study: Study, project: Path) -> dict[str, Any]:
    code = [
        *code_of("analyse", project),
        *(
            f"src/fashionbench/page/templates/{name}"
            for name in ("macros.jinja", "study.jinja", "study_page.html.jinja", "style.css")
        ),
    ]
    made = ["figures", "report.html", "study.json", *(["pairs.csv"] if study.report_claims else [])]
    return {
        "cmd": f"{_UP}bin/fashionbench analyse",
        "deps": [
            "data/predictions",
            "metrics/comparison.csv",
            "metrics/networks",
            "params.yaml",
            "study.yaml",
            f"{_UP}data/prepared/test.safetensors",
            f"{_UP}data/prepared/val.safetensors",
            f"{_UP}params.yaml",
            *(f"{_UP}{file}" for file in sorted(code)),
        ],
        "outs": [{f"metrics/{name}": _IN_GIT} for name in sorted(made)],
    }


def _always(stage: str, *deps: str) -> dict[str, Any]:
    return {"cmd": f"{_UP}bin/fashionbench {stage}", "deps": list(deps), "always_changed": True}


def _from_project(dep: str) -> str:
    return f"{_UP}{dep}" if dep.startswith(_SHARED) else dep


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
    main()
