"""Data sets and splits as factors of a study: prepared, trained on and judged by themselves."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from made_up import NETWORKS, results
from made_up_studies import design_of, write_tables
from repositories import PROJECT, copy_files
from trainings import network, nothing_watched
from write_studies import write_study

from fashionbench import cli, paths
from fashionbench.analysis.result_files import PAGE_FILE
from fashionbench.claims.verdicts import ArmRecord, VerdictRecord
from fashionbench.commands.verify import read_scores
from fashionbench.data import public_sources
from fashionbench.data.splits import load_split
from fashionbench.errors import ConfigError, DataError
from fashionbench.files import read_yaml, write_nothing
from fashionbench.page.page import render_section
from fashionbench.params import Hyperparameters, Params, load_params
from fashionbench.pipeline.dependencies import replicate_key
from fashionbench.stages import analyse, check, compare, download, prepare
from fashionbench.stages.training import distinct_replicates
from fashionbench.studies.obtained import OBTAINED_FILE, write_obtained
from fashionbench.studies.records import (
    StudyArmRecord,
    StudyRecord,
    read_record,
    verdicts_by_loss,
)
from fashionbench.tables import write_table
from fashionbench.tracking.run_spec import describe_replicate

STUDY = """\
title: Other images
question: Do they hold?
cost: nothing
losses: [probabilities]
seeds: 5
networks: {n1_mlp: {}, n2_mlp: {}, n6_l1: {}}
factors: {dataset: [fashion_mnist, digits, mnist]}
transfers: [3, "11"]
"""
DIGITS = ("images-idx3-ubyte", "labels-idx1-ubyte")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in the folder of a study of data sets, of which MNIST cannot be had."""
    copy_files(tmp_path, "claims.yaml", "datasets.yaml", "dvc.yaml", "params.yaml")
    made = tmp_path / "studies/other"
    made.mkdir(parents=True)
    (made / "study.yaml").write_text(STUDY)
    write_study(made, PROJECT)
    monkeypatch.chdir(made)
    monkeypatch.delenv("FASHIONBENCH_DATA", raising=False)

    def unreachable(*_: object) -> Path:
        raise DataError("no network")

    monkeypatch.setitem(public_sources.ORIGINS, "torchvision", unreachable)
    return made


def test_a_point_has_the_shape_and_the_sizes_of_its_data_set(folder: Path) -> None:
    params = load_params()
    assert list(params.networks)[:4] == ["n1_mlp", "n1_mlp_digits", "n1_mlp_mnist", "n2_mlp"]
    assert list(params.own_datasets) == ["digits", "mnist"]
    found = {name: params.network(name) for name in params.networks}
    assert (found["n1_mlp"].images, found["n1_mlp"].shape) == ("", (28, 28))
    assert (found["n1_mlp_digits"].images, found["n1_mlp_digits"].shape) == ("digits", (8, 8))
    assert params.of("n1_mlp_digits").network("n1_mlp_digits") == found["n1_mlp_digits"]
    assert params.of("n1_mlp_digits").train_size == 1197
    # Networks of one shape on different images are not the same.
    assert len(distinct_replicates(params)) == 9
    text = (folder / "params.yaml").read_text()
    (folder / "params.yaml").write_text(text.replace("dataset: fashion_mnist", "dataset: digits"))
    assert load_params().of("n1_mlp_mnist").train_size == 50_000
    (folder / "params.yaml").write_text(text.replace("{dataset: mnist}", "{dataset: mnits}"))
    with pytest.raises(ConfigError, match=r"^dataset = 'mnits': .*did you mean mnist\?$"):
        load_params()


def test_each_data_set_is_prepared_by_the_study(folder: Path) -> None:
    stages = read_yaml(folder / "dvc.yaml")["stages"]
    assert list(stages)[:3] == ["download", "prepare", "train"]
    assert stages["download"]["always_changed"]
    assert stages["prepare"]["outs"] == [f"data/prepared/{split}" for split in paths.SPLITS]
    deps = stages["train"]["deps"]
    assert "data/prepared/test" not in deps
    assert {"../../data/prepared/train.safetensors", "data/prepared/train"} <= {*deps}
    names = ("${dataset}", "digits", "mnist")
    assert stages["train"]["params"][-1] == {
        "../../datasets.yaml": [f"{name}.{key}" for name in names for key in ("shape", "own")]
    }


def test_a_split_is_prepared_by_the_study(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = folder.parents[1]
    (project / "src").symlink_to(PROJECT / "src")
    text = (project / "params.yaml").read_text().replace("fashion_mnist", "digits")
    (project / "params.yaml").write_text(text.replace("input_size: 784", "input_size: 64"))
    factors = "factors: {split_seed: [0, 1], train_size: [1197, 500]}"
    (folder / "study.yaml").write_text(STUDY.replace(STUDY.splitlines()[6], factors))
    monkeypatch.chdir(project)
    write_study(folder, project)
    stages = read_yaml(folder / "dvc.yaml")["stages"]
    assert "download" not in stages
    assert "../../data/raw" in stages["prepare"]["deps"]
    deps = stages["train"]["deps"]
    assert {"../../data/prepared/val.safetensors", "data/prepared/val"} <= {*deps}
    download.run()
    prepare.run()
    monkeypatch.chdir(folder)
    prepare.run()
    params = load_params()
    assert list(params.own_images) == ["split_seed_1", "train_size_500"]
    assert params.network("n2_mlp_split_seed_1").images == "split_seed_1"
    assert (params.network("n2_mlp").images, len(distinct_replicates(params))) == ("", 9)
    of_split = params.network("n2_mlp_split_seed_1")
    run = describe_replicate(of_split, params.hyperparameters, 0, nothing_watched())
    assert (run.params["split_seed"], run.params["dataset"]) == ("1", "digits")
    val = {name: load_split(paths.split_file("val", name)) for name in ("", *params.own_images)}
    assert (val[""].images == val["train_size_500"].images).all()
    assert (val[""].images != val["split_seed_1"].images).any()
    assert len(load_split(paths.split_file("train", "train_size_500"))) == 500


def test_what_cannot_be_had_is_left_out_until_it_can(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with caplog.at_level(logging.WARNING):
        download.run()
    assert "the study goes on without MNIST: no source has the files" in caplog.text
    assert json.loads(OBTAINED_FILE.read_bytes()) == {"digits": True, "mnist": False}
    prepare.run()
    assert load_split(paths.split_file("train", "digits")).images.shape == (1197, 8, 8)
    assert not paths.split_file("train", "mnist").exists()
    # What was there stays; a damaged file does not.
    monkeypatch.setitem(
        public_sources.ORIGINS, "scikit-learn", public_sources.ORIGINS["torchvision"]
    )
    download.run()
    assert json.loads(OBTAINED_FILE.read_bytes())["digits"]
    (folder / "data/raw/digits" / DIGITS[1]).write_bytes(b"cut off")
    with pytest.raises(DataError, match=r"^the study has no data: got none of digits, mnist$"):
        download.run()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("l1: none,", "own: {dataset: digits}, l1: none,", "dataset = 'digits': is for studies"),
        ("train_size: 50000", "train_size: 49999", "49999: leaves 1 image over, fewer than there"),
        ("train_size: 50000", "train_size: 49991", "49991: leaves 9 images over, fewer than there"),
    ],
)
def test_images_that_the_project_cannot_train_on_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, says: str
) -> None:
    monkeypatch.chdir(folder.parents[1])
    text = Path("params.yaml").read_text()
    assert old in text
    Path("params.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError, match=says):
        check.run()


def test_a_replicate_is_identified_by_the_images_that_it_sees(
    hyperparameters: Hyperparameters,
) -> None:
    def key(images: str, **files: str) -> str:
        named = {Path(f"data/prepared/train/{name}.safetensors"): of for name, of in files.items()}
        dependencies = replace(nothing_watched(), files=named)
        return replicate_key(network(images=images), hyperparameters, 0, dependencies)

    assert key("mnist", mnist="1", kmnist="2") == key("mnist", mnist="1")
    assert key("mnist", mnist="1", kmnist="2") != key("kmnist", mnist="1", kmnist="2")
    of_project = {Path("../../data/prepared/train.safetensors"): "1"}
    dependencies = replace(nothing_watched(), files=of_project)
    assert key("mnist", mnist="1") == replicate_key(network(), hyperparameters, 0, dependencies)
    both = replace(dependencies, files=of_project | {Path("data/prepared/train/mnist.x"): "2"})
    assert key("mnist", mnist="1") == replicate_key(network(), hyperparameters, 0, both)
    both = replace(both, files=of_project | {Path("data/prepared/train/split_seed_1.x"): "1"})
    of_split = network(images="split_seed_1")
    assert replicate_key(of_split, hyperparameters, 0, both) != key("", mnist="1")


def test_the_reports_claims_are_judged_on_each_data_set(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_obtained(load_params(), ["digits"])
    made_up = results()
    for name in NETWORKS:
        for dataset in ("", "_digits"):
            write_tables(folder, f"{name}{dataset}", made_up, name)
        for table in ("curves", "scores", "weights"):
            write_nothing(paths.network_table(f"{name}_mnist", table))
    compare.run()
    analyse.run()
    record = read_record()
    arm = record.arms["probabilities"]
    assert list(arm.transferred) == ["fashion_mnist", "digits"]
    assert [one.claim for one in arm.transferred["digits"].claims] == ["3", "11"]
    assert record.missing == ["MNIST"]
    assert [figure.name for figure in record.figures] == [
        "accuracy-fashion_mnist",
        "accuracy-digits",
    ]
    page = PAGE_FILE.read_text()
    assert "MNIST could not be had here, so nothing is said about it." in page
    assert "with 1,197 training and 300 validation images" in page
    assert "On Fashion-MNIST, with 50,000 training" in page
    assert "Data of Digits of 8 x 8 pixels (sha256 of the files, unpacked)" in page
    assert "n1_mlp_mnist" not in page
    on_many = arm.model_copy(
        update={"transferred": dict.fromkeys("abcd", arm.transferred["digits"])}
    )
    many = record.model_copy(update={"arms": {"probabilities": on_many}, "figures": ()})
    assert "2 of 2 verdicts are the same on all 4." in render_section("many", many, {})
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert cli.main(["verdicts"]) == 0
    said = capsys.readouterr().out
    assert "MNIST could not be had here" in said
    assert "Probabilities, digits" in " ".join(said.split())
    of_project = Path("../..") / paths.network_table("n1_mlp", "scores")
    write_table(made_up.scores["n1_mlp"], of_project)
    assert cli.main(["ask", "other/n1_mlp_mnist > 50%"]) == 1
    assert "study other could not get its data set" in capsys.readouterr().err
    assert [name for name in read_scores(Path()) if "mnist" in name] == []


def test_of_many_splits_those_verdicts_are_named_that_differ() -> None:
    def judged(verdict: str) -> ArmRecord:
        found = {"3": "reproduced", "4": verdict}
        records = [VerdictRecord.model_construct(claim=no, verdict=of) for no, of in found.items()]
        return ArmRecord.model_construct(claims=tuple(records))

    def summary(*verdicts: str) -> str:
        transferred = {f"split_seed_{seed}": judged(of) for seed, of in enumerate(verdicts)}
        arm = StudyArmRecord.model_construct(
            claims=ArmRecord.model_construct(claims=()), transferred=transferred
        )
        record = StudyRecord.model_construct(arms={"logits": arm}, datasets={"split_seed_1": None})
        return verdicts_by_loss(record)["logits"]

    assert summary("reproduced", "reproduced") == (
        "on split_seed_0 2 reproduced, on split_seed_1 2 reproduced"
    )
    differ = ["inconclusive", "reproduced", "reproduced", "reproduced"]
    assert summary(*differ) == "1 of 2 verdicts are the same on all 4, not those on 4"
    assert summary(*differ[1:], "reproduced") == "2 of 2 verdicts are the same on all 4"


def test_a_claim_that_the_report_does_not_make_cannot_transfer(params: Params) -> None:
    levels = {"dataset": ["digits", "mnist"]}
    design = design_of(params, factors=levels, transfers=["3", 77])
    with pytest.raises(ConfigError, match=r"transfers: the report has no claim 77$"):
        design.transferred()
    assert design.values("dataset") == {
        "digits": "n4_dropout_digits",
        "mnist": "n4_dropout_mnist",
    }
    assert design.reported("dataset") == "fashion_mnist"
