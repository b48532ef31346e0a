"""The declared studies: their files are what make deps writes, and no claim is left out."""

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made_up import NETWORKS
from made_up_studies import design_of
from repositories import PROJECT
from write_dependencies import code_of
from write_studies import check_all_numbers, files_of, studies

from fashionbench.errors import ConfigError
from fashionbench.files import read_yaml
from fashionbench.params import Params, load_params
from fashionbench.paths import SPLITS
from fashionbench.studies.design import study_params

STUDIES = {folder.name: folder for folder in studies(PROJECT)}
STAGES = read_yaml(PROJECT / "dvc.yaml")["stages"]


def stages_of(study: str) -> dict[str, dict[str, Any]]:
    """Return the stages of a study, or their templates."""
    stages = read_yaml(STUDIES[study] / "dvc.yaml")["stages"]
    return {name: stage.get("do", stage) for name, stage in stages.items()}


@pytest.mark.parametrize("study", STUDIES)
def test_the_files_of_a_study_are_up_to_date(study: str) -> None:
    for name, text in files_of(STUDIES[study], PROJECT).items():
        assert (STUDIES[study] / name).read_text() == text, "make deps writes it"


def test_no_two_claims_have_the_same_number() -> None:
    check_all_numbers(PROJECT)


def test_a_number_that_is_taken_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "claims.yaml").write_text((PROJECT / "claims.yaml").read_text())
    folder = tmp_path / "studies/dropout"
    folder.mkdir(parents=True)
    text = (STUDIES["dropout"] / "study.yaml").read_text()
    (folder / "study.yaml").write_text(text)
    check_all_numbers(tmp_path)
    (folder / "study.yaml").write_text(text.replace("number: 18", "number: 3"))
    reason = r"^claims.yaml and studies/dropout/study.yaml have a claim with the number 3 each"
    with pytest.raises(ConfigError, match=reason):
        check_all_numbers(tmp_path)
    (folder / "study.yaml").write_text(text.replace("number: 18", "number: 19"))
    with pytest.raises(ConfigError, match=r"study.yaml, line \d+: another claim has the number 19"):
        check_all_numbers(tmp_path)


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_trains_with_the_projects_own_files(study: str) -> None:
    """Otherwise its replicates would have other keys, and none would be shared."""
    # A study of data sets says which it got.
    named = [dep for dep in stages_of(study)["train"]["deps"] if dep != "metrics/datasets.json"]
    # A study may prepare images of its own, in place of the project's or besides them.
    files = {f"data/prepared/{split}": f"data/prepared/{split}.safetensors" for split in SPLITS}
    deps = [*dict.fromkeys(files.get(dep, dep.replace("../../", "")) for dep in named)]
    assert deps[1:] == STAGES["train"]["do"]["deps"][1:]
    # Of its networks, their parameters and all modules.
    assert deps[0] == "networks"
    code = {f"../../{file}" for file in code_of("analyse", PROJECT)}
    assert code <= set(stages_of(study)["analyse"]["deps"])


def test_no_stage_of_the_project_waits_for_a_study() -> None:
    deps = [dep for stage in STAGES.values() for dep in stage.get("do", stage).get("deps", [])]
    assert not [dep for dep in deps if dep.startswith("studies")]


def own_points(study: str, params: Params) -> dict[str, Params]:
    """Return by name the parameters of those points that the project has as networks, too."""
    points = load_params(STUDIES[study] / "params.yaml")
    return {name: points.of(name) for name in points.networks if name in params.networks}


@pytest.mark.parametrize(
    ("study", "shared"),
    [
        ("seeds", {f"n{number}" for number in range(1, 8)}),
        ("dropout", {"n4"}),
        ("conv", {"n8"}),
        ("hyperparameters", {"n2"}),
    ],
)
def test_a_point_with_a_networks_name_is_that_network(
    params: Params, study: str, shared: set[str]
) -> None:
    points, seeds = own_points(study, params), own_points("seeds", params)
    assert {name.partition("_")[0] for name in points} == shared
    for name, point in points.items():
        assert point.network(name) == params.of(name).network(name)
        assert point.hyperparameters == params.of(name).hyperparameters
        # After the study of seeds, which leaves out N8, these are trained already.
        assert name not in seeds or set(point.seeds) <= set(seeds[name].seeds)


def test_the_logits_study_differs_from_the_project_in_the_loss_alone(params: Params) -> None:
    points = load_params(STUDIES["logits"] / "params.yaml")
    assert list(points.networks) == [f"{name}_logits" for name in NETWORKS]
    on_logits = params.model_copy(update={"loss_input": "logits"})
    for name in NETWORKS:
        point = points.of(f"{name}_logits")
        assert point.hyperparameters == on_logits.of(name).hyperparameters
        assert point.seeds == params.of(name).seeds


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({}, ["n4_dropout"]),
        ({"losses": ["logits"]}, ["n4_dropout_logits"]),
        (
            {"factors": {"dropout_prob": [0.0, 0.5], "batch_size": [32, 64]}},
            ["n4_dropout_dropout_prob_0", "n4_dropout", "n4_dropout_batch_size_32"],
        ),
        (
            {"factors": {"l1_strength": [1e-7, 0.001]}, "networks": {"n2_mlp": {}}},
            ["n2_mlp_l1_strength_1em07", "n2_mlp_l1_strength_0_001"],
        ),
        (
            {
                "factors": {"batch_norm": [False, True], "dropout": ["none", "dropout_prob"]},
                "networks": {"n5_batch_norm": {}},
                "crossed": True,
            },
            [
                "n5_batch_norm_no_batch_norm",
                "n5_batch_norm_no_batch_norm_dropout",
                "n5_batch_norm",
                "n5_batch_norm_dropout",
            ],
        ),
    ],
)
def test_points_are_named_by_what_they_change(
    params: Params, declared: Mapping[str, object], expected: list[str]
) -> None:
    assert [point.name for point in design_of(params, **declared).points] == expected


def test_a_strength_is_switched_on_where_it_is_a_factor(params: Params) -> None:
    design = design_of(params, factors={"l1_strength": [0.1, 0.001]}, networks={"n2_mlp": {}})
    made = Params.model_validate(study_params(design, read_yaml(PROJECT / "params.yaml")))
    assert made.network("n2_mlp_l1_strength_0_1").l1_strength == 0.1
    assert made.network("n2_mlp_l1_strength_0_001").l1_strength == params.l1_strength


def test_seeds_may_differ_by_network_and_loss(params: Params) -> None:
    networks = {"n1_mlp": {}, "n8_conv": {"seeds": {"probabilities": 3, "logits": 2}}}
    design = design_of(params, networks=networks, losses=["probabilities", "logits"], seeds=4)
    made = Params.model_validate(study_params(design, read_yaml(PROJECT / "params.yaml")))
    assert {name: made.of(name).seeds for name in made.networks} == {
        "n1_mlp": (0, 1, 2, 3),
        "n8_conv": (0, 1, 2),
        "n1_mlp_logits": (0, 1, 2, 3),
        "n8_conv_logits": (0, 1),
    }


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("title: Less dropout\n", ""), "title is missing"),
        (("seeds: 20", "seed: 20"), "seed is not a parameter; did you mean seeds?"),
        (("n4_dropout: {}", "n9: {}"), "network 'n9' is not declared"),
        (("dropout_prob: [0.0,", "dropout_prob: [1.5, 0.0,"), "own: dropout_prob = 1.5: "),
        (
            ("{value: excess_by_epoch,", "{value: excess_by_epok,"),
            r"study.yaml, line 2\d: .*value = 'excess_by_epok': no such value; did you mean",
        ),
        (
            ("{dropout_prob: 0.7}", "{dropout_prob: 0.75}"),
            r"study.yaml, line 2\d: 0.75 is no value of dropout_prob",
        ),
    ],
)
def test_a_wrong_study_is_refused_with_the_reason(
    tmp_path: Path, change: tuple[str, str], reason: str
) -> None:
    text = (STUDIES["dropout"] / "study.yaml").read_text()
    assert change[0] in text
    (tmp_path / "study.yaml").write_text(text.replace(*change, 1))
    with pytest.raises(ConfigError, match=reason.replace("?", r"\?")):
        files_of(tmp_path, PROJECT)


def test_a_replicate_has_the_same_scores_wherever_it_is_trained() -> None:
    """In the project and its studies, whatever was trained beside it."""
    found = [
        (load_params(folder / "params.yaml"), scores_in(folder))
        for folder in (PROJECT, *STUDIES.values())
    ]
    compared = 0
    for (params, one), (others, other) in combinations(found, 2):
        for name in one.keys() & other.keys():
            if params.of(name).hyperparameters == others.of(name).hyperparameters:
                both = one[name].index.intersection(other[name].index)
                pd.testing.assert_frame_equal(one[name].loc[both], other[name].loc[both])
                compared += len(both)
    assert compared, "no study has been run"


def scores_in(folder: Path) -> dict[str, pd.DataFrame]:
    """Return the scores of all networks in a folder by seed and split, digit by digit."""
    return {
        table.parent.name: pd.read_csv(table, index_col=["seed", "split"], dtype=str)
        for table in folder.glob("metrics/networks/*/scores.csv")
        if table.stat().st_size  # That of a data set that a study could not get is empty.
    }
