"""Studies run by real DVC: made, made again in a clone, and never trained twice."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from installed import install
from made_up_trust import calibration
from repositories import (
    DECLARED_NETWORKS,
    NETWORKS,
    PROJECT,
    Repository,
    add_study,
    as_yaml,
    stages_of,
)
from stores import client_of, runs_of
from write_studies import studies

from fashionbench.files import read_yaml, replace_file
from fashionbench.params import Hyperparameters, load_params
from fashionbench.paths import network_table
from fashionbench.stages import analyse, compare, publish
from fashionbench.studies.design import Design, Point, read_study
from fashionbench.studies.obtained import OBTAINED_FILE
from fashionbench.studies.published import read_published
from fashionbench.tables import write_table

TWO = NETWORKS[1:]
LOGITS = f"""\
title: The textbook's loss
question: What if?
cost: a minute
losses: [logits]
seeds: 2
networks: {{{", ".join(f"{name}: {{}}" for name in TWO)}}}
report_claims: [2]
"""
# One value is that of n4_dropout and one makes it n2_mlp, both of which the project has trained.
DROPOUT = """\
title: Less dropout
question: How much?
cost: a minute
losses: [probabilities]
seeds: 2
networks: {n4_dropout: {}}
factors: {dropout_prob: [0.0, 0.5, 0.7]}
claims:
  - number: 18
    words: Some probability below 0.5 gains more than one point
    conditions:
      - {value: accuracy, of: {dropout_prob: 0.0}, minus: n4_dropout, above: 0.01}
    why: Because.
"""
POINTS = ("n4_dropout_dropout_prob_0", "n4_dropout", "n4_dropout_dropout_prob_0_7")


SMALL_OWN = {"train_size": 150, "val_size": 50, "num_epochs": 2}
OTHERS = """\
title: Other images
question: There as well?
cost: a minute
losses: [probabilities]
seeds: 2
networks: {n2_mlp: {own: {num_epochs: 1}}, n4_dropout: {own: {num_epochs: 1}}}
factors: {dataset: [digits, kmnist]}
transfers: [8a]
"""


def declare(repository: Repository, name: str, text: str) -> None:
    """Declare a study and commit it, as its claims have to be."""
    add_study(repository, name, text)
    repository.commit(f"declare the study {name}")


@pytest.mark.slow(minutes=3)
@pytest.mark.tries(
    "make study",
    "make study NAME=logits",
    "make study NAME=logits SIZE=quick",
    "make verify STUDY=logits",
    "dvc repro studies/logits/dvc.yaml",
)
def test_the_second_arm_is_a_study_that_a_clone_makes_again(copied: Repository) -> None:
    install(copied)
    networks = read_yaml(copied.path / "params.yaml")["networks"]
    copied.change_params(networks={name: networks[name] for name in TWO})
    copied.run("dvc", "repro", "check")
    declare(copied, "logits", LOGITS)
    for words in ((), ("NAME=logit",)):
        refused = copied.run("make", "study", *words, check=False).stderr
        assert "name a study, such as make study NAME=logits: logits" in refused
    shutil.copy(PROJECT / ".dvcignore", copied.path)
    copied.commit("studies are left out until they run")
    assert "logits" not in copied.run("dvc", "data", "status").stdout
    preview = copied.run("make", "study", "NAME=logits", "SIZE=quick", "QUICK_VALUES=num_epochs=1")
    assert "Logits, 2 seeds" in preview.stdout
    assert copied.run("git", "status", "--porcelain").stdout == ""
    done = copied.run("make", "study", "NAME=logits")
    # The study, and of the project nothing that is not out of date.
    assert {name.partition(":")[0] for name in stages_of(done.stdout)} == {
        "studies/logits/dvc.yaml"
    }
    assert "Logits, 2 seeds" in done.stdout
    assert "Effects, intervals and figures: studies/logits/metrics/report.html" in done.stdout
    assert "; see studies/logits/metrics/report.html" in done.stderr
    copied.run("dvc", "repro")
    assert "The correction" in (copied.path / "metrics/report.html").read_text()
    arms = json.loads((copied.path / "metrics/claims.json").read_text())
    assert list(arms) == ["probabilities", "logits"]
    copied.commit("results of the study")
    said = copied.run("dvc", "repro", "studies/logits/dvc.yaml").stdout
    assert stages_of(said) == {"studies/logits/dvc.yaml:publish", "studies/logits/dvc.yaml:mirror"}
    assert copied.run("git", "status", "--porcelain").stdout == ""
    assert "Identical." in copied.run("make", "verify", "STUDY=logits").stdout


@pytest.mark.slow(minutes=2)
def test_what_the_project_has_trained_is_collected_and_the_project_is_left_alone(
    copied: Repository,
) -> None:
    declare(copied, "dropout", DROPOUT)
    assert stages_of(copied.run("dvc", "repro").stdout) == {"mirror"}
    done = copied.run("dvc", "repro", "studies/dropout/dvc.yaml")
    for name in POINTS[:2]:
        for seed in (0, 1):
            assert f"{name} seed {seed} has been trained before" in done.stderr
    assert f"{POINTS[2]} seed 0 has been trained before" not in done.stderr
    assert {stage for stage in stages_of(done.stdout) if not stage.startswith("studies/")} == set()
    own, weights = (f"models/n4_dropout/seed_{seed}.safetensors" for seed in (0, 1))
    study = copied.hashes(f"studies/dropout/{own}", f"studies/dropout/{weights}")
    assert list(study.values()) == list(copied.hashes(own, weights).values())
    assert copied.run("git", "status", "--porcelain", "--untracked-files=no").stdout == ""
    assert_mlflow_shows_the_study_above_its_points(copied)
    shown = stages_of(copied.run("dvc", "repro").stdout)
    assert shown == {"report", "mirror"}
    assert "Less dropout" in (copied.path / "metrics/report.html").read_text()


@pytest.mark.slow(minutes=2)
def test_a_study_goes_on_without_a_data_set_that_it_cannot_get(copied: Repository) -> None:
    # No proxy answers there, and of a network nothing else is asked.
    nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    alone = Repository(copied.path, nowhere)
    declare(alone, "others", OTHERS)
    first = alone.run("dvc", "repro", "studies/others/dvc.yaml")
    assert "the study goes on without Kuzushiji-MNIST" in first.stderr
    folder = alone.path / "studies/others"
    assert json.loads((folder / "metrics/datasets.json").read_text()) == {
        "digits": True,
        "kmnist": False,
    }
    assert not (folder / "metrics/networks/n2_mlp_kmnist/scores.csv").read_bytes()
    page = (folder / "metrics/report.html").read_text()
    assert "Kuzushiji-MNIST could not be had here" in page
    again = alone.run("dvc", "repro", "studies/others/dvc.yaml")
    ran = {name.partition(":")[2] for name in stages_of(again.stdout)}
    assert ran == {"download", "publish", "mirror"}


def assert_mlflow_shows_the_study_above_its_points(repository: Repository) -> None:
    """Check the three levels of runs: the study, its points, their seeds."""
    client = client_of(repository)
    runs = runs_of(client, "fashionbench-studies")
    (study,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert study.info.run_name == "study dropout"
    assert study.data.params["dropout_prob"] == "0.0, 0.5, 0.7"
    assert "report.html" in {file.path for file in client.list_artifacts(study.info.run_id)}
    below = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == study.info.run_id]
    values = {str(run.info.run_name): run.data.params["dropout_prob"] for run in below}
    assert values == dict(zip(POINTS, ("0.0", "0.5", "0.7"), strict=True))
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert {run.data.tags["fashionbench.study"] for run in runs} == {"dropout"}
    points = {run.info.run_id for run in below}
    seeds = [run for run in runs if run.data.tags.get("mlflow.parentRunId") in points]
    assert len(seeds) == 2 * len(POINTS)
    assert len(runs) == 1 + len(POINTS) + len(seeds)
    assert not [run for run in runs_of(client) if "fashionbench.study" in run.data.tags]


def at_small_size(declared: dict[str, Any]) -> dict[str, Any]:
    """Leave a study's first loss, two seeds, and trainings of two epochs on few images.

    Where no claim of its own is about them, two of the report's networks stand for all eight.
    """
    networks = {
        name: {key: value for key, value in network.items() if key != "seeds"}
        for name, network in declared["networks"].items()
        if "claims" in declared or name in DECLARED_NETWORKS
    }
    for own in (network["own"] for network in networks.values() if "own" in network):
        own |= {key: value for key, value in SMALL_OWN.items() if key in own}
    return declared | {"losses": declared["losses"][:1], "seeds": 2, "networks": networks}


def whole_way() -> list[str]:
    """Return the first study of each list of stages that begins with images of its own.

    Those without are run as the studies of logits and of dropout are above.
    """
    firsts: dict[tuple[str, ...], str] = {}
    for folder in studies(PROJECT):
        stages = tuple(read_yaml(folder / "dvc.yaml")["stages"])
        firsts.setdefault(stages, folder.name)
    return [name for stages, name in firsts.items() if stages[0] != "train"]


@pytest.mark.slow(minutes=2)
@pytest.mark.parametrize("name", whole_way())
def test_a_committed_study_with_images_of_its_own_goes_the_whole_way(
    name: str, copied: Repository
) -> None:
    """What is its own, from its images to the page; that bytes are made again, others test."""
    copied.change_params(networks=read_yaml(PROJECT / "params.yaml")["networks"])
    declared = read_yaml(PROJECT / "studies" / name / "study.yaml")
    declare(copied, name, as_yaml(at_small_size(declared)))
    # All stages but the mirror in MLflow, which has no outputs.
    pipeline = f"studies/{name}/dvc.yaml"
    ran = stages_of(copied.run("dvc", "repro", f"{pipeline}:publish").stdout)
    made = ("prepare", "train", "evaluate", "compare", "analyse", "publish")
    assert {f"{pipeline}:{stage}" for stage in made} <= ran


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [folder.name for folder in studies(PROJECT) if folder.name not in whole_way()]
)
def test_the_results_of_a_committed_study_are_judged_drawn_and_published(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all its points, losses and claims, on made-up tables in place of trainings."""
    folder = tmp_path / "studies" / name
    folder.mkdir(parents=True)
    for file in ("claims.yaml", "datasets.yaml", "dvc.yaml", "params.yaml"):
        shutil.copy(PROJECT / file, tmp_path)
    for file in ("study.yaml", "params.yaml", "dvc.yaml"):
        shutil.copy(PROJECT / "studies" / name / file, folder)
    shutil.copytree(PROJECT / "networks", tmp_path / "networks")
    monkeypatch.chdir(folder)
    design = Design(read_study(), load_params(PROJECT / "params.yaml"))
    params = load_params()
    replace_file(OBTAINED_FILE, json.dumps(dict.fromkeys(design.own_datasets, True)).encode())
    for point in design.points:
        of_point = params.of(point.name)
        made_up = tables(point, of_point.hyperparameters, of_point.dataset.classes)
        for table, rows in made_up.items():
            write_table(rows, network_table(point.name, table))
    compare.run()
    analyse.run()
    publish.run()
    monkeypatch.chdir(tmp_path)
    (published,) = read_published()
    record = published.record
    assert record.points == len(design.points)
    assert record.arms.keys() == {*design.study.losses}
    for arm in record.arms.values():
        judged = [claim.claim for claim in arm.claims.claims]
        assert judged == [claim.number for claim in design.study.claims]
    assert published.figures.keys() == {figure.name for figure in record.figures}
    assert (folder / "metrics/report.html").read_text().startswith("<!DOCTYPE html>")


def tables(point: Point, how: Hyperparameters, classes: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Make up a point's tables: all points are alike, seeds differ a little, and few do."""
    seeds = point.seeds[:5]
    by_split = pd.MultiIndex.from_product(
        [seeds, ("train", "val", "test")], names=["seed", "split"]
    ).to_frame(index=False)
    by_epoch = pd.MultiIndex.from_product(
        [seeds, range(1, how.num_epochs + 1)], names=["seed", "epoch"]
    ).to_frame(index=False)
    accuracy = 0.8 + 0.001 * by_epoch["seed"] - 0.1 / by_epoch["epoch"]
    losses = dict.fromkeys(("train_objective", "train_loss", "val_loss"), 1 - accuracy)
    accuracies = {"train_accuracy": accuracy + 0.01, "val_accuracy": accuracy}
    of_classes = {f"accuracy {name}": 0.8 for name in classes}
    return {
        "curves": by_epoch.assign(**losses, **accuracies),
        "scores": by_split.assign(loss=0.2, accuracy=0.8 + 0.001 * by_split["seed"], **of_classes),
        "weights": pd.DataFrame({"seed": seeds}).assign(
            count=1000, near_zero=0.1, magnitude=0.1, total_variation=0.8
        ),
        "calibration": calibration(*(0.01 * seed for seed in seeds)),
    }
