"""Descriptions of runs: names, notes, keys and provenance."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_up_receipts import git
from repositories import PROJECT
from ruamel.yaml import YAML
from trainings import network, nothing_watched

from fashionbench.params import Hyperparameters
from fashionbench.tracking.run_spec import (
    CONFIGURATION_TAG,
    configuration,
    describe_network,
    describe_replicate,
    provenance_of_restored,
    run_name,
)


def test_runs_are_described_in_words(hyperparameters: Hyperparameters) -> None:
    declared = network(conv_filters=(32, 64), hidden_sizes=(128,), dropout_prob=0.5)
    specs = {
        seed: describe_replicate(declared, hyperparameters, seed, nothing_watched())
        for seed in (0, 5)
    }
    spec = describe_network(declared, hyperparameters, specs)
    assert (spec.name, spec.params["seeds"]) == ("tiny", "[0, 5]")
    words = "convolutions 32-64, then a perceptron 128-10 with dropout 0.5"
    assert spec.note.startswith(f"tiny: {words}. Each score is a mean over seeds")
    assert specs[5].note == f"Seed 5 of tiny: {words}."
    assert len({spec.key, *(below.key for below in specs.values())}) == 3


def test_a_group_has_the_same_code_data_and_parameters(hyperparameters: Hyperparameters) -> None:
    def group(seed: int, code: str = "1", learning_rate: float = 0.001) -> str:
        dependencies = replace(nothing_watched(), files={Path("src/epoch.py"): code})
        changed = replace(hyperparameters, learning_rate=learning_rate)
        spec = describe_replicate(network(), changed, seed, dependencies)
        whole = describe_network(network(), changed, {seed: spec})
        assert whole.tags[CONFIGURATION_TAG] == spec.tags[CONFIGURATION_TAG]
        return spec.tags[CONFIGURATION_TAG]

    assert group(0) == group(1)
    assert len({group(0), group(0, code="2"), group(0, learning_rate=0.01)}) == 3
    assert group(0).startswith("tiny · ")


def test_bits_that_hold_for_one_kind_of_processor_are_labelled(
    hyperparameters: Hyperparameters,
) -> None:
    changes: tuple[dict[str, Any], ...] = ({}, {"precision": "bfloat16"}, {"device": "cuda"})
    specs = [
        describe_replicate(network(), replace(hyperparameters, **change), 0, nothing_watched())
        for change in changes
    ]
    labels = [spec.tags.get("fashionbench.bits") for spec in specs]
    only = "of this kind of processor only"
    assert labels == [None, f"{only}: precision bfloat16", f"{only}: device cuda"]
    assert describe_network(network(), hyperparameters, {0: specs[1]}).tags.items() >= {
        ("fashionbench.bits", labels[1])
    }


def test_data_that_is_not_here_is_known_from_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hyperparameters: Hyperparameters
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(PROJECT / "params.yaml", tmp_path)
    train = Path("data/prepared/train.safetensors")
    train.parent.mkdir(parents=True)
    train.write_text("images")
    here = describe_replicate(network(), hyperparameters, 0, nothing_watched())
    md5 = hashlib.md5(train.read_bytes()).hexdigest()
    assert [found.dataset.digest for found in here.datasets] == [md5]
    train.unlink()
    Path("dvc.lock").write_text(
        f"stages: {{train@tiny: {{deps: [{{path: {train}, md5: {md5}}}, {{path: a, md5: b}}]}}}}"
    )
    assert describe_replicate(network(), hyperparameters, 0, nothing_watched()) == here
    train.write_text("other images")
    other = describe_replicate(network(), hyperparameters, 0, nothing_watched())
    assert other.key != here.key


def test_a_restored_run_is_an_experiments_only_if_that_has_changed_its_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table, new = Path("curves.csv"), Path("new.csv")
    table.write_text("seed,epoch")
    git("init", "-q")
    git("add", "curves.csv")
    git("commit", "-qm", "results")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", git("rev-parse", "HEAD"))
    monkeypatch.setenv("DVC_EXP_NAME", "less-dropout")
    untouched = provenance_of_restored(table)
    assert not untouched.keys() & {"dvc.experiment", "dvc.baseline"}
    assert untouched["fashionbench.restored"] == "true"
    table.write_text("seed,epoch,loss")
    new.write_text("seed,epoch")
    assert provenance_of_restored(table)["dvc.experiment"] == "less-dropout"
    assert provenance_of_restored(new)["dvc.experiment"] == "less-dropout"


def change(**changes: Any) -> None:
    """Edit params.yaml; ``networks`` are changed one by one."""
    yaml = YAML()
    content = yaml.load(Path("params.yaml"))
    for name, layers in changes.pop("networks", {}).items():
        content["networks"].setdefault(name, {}).update(layers)
    content.update(changes)
    with Path("params.yaml").open("w") as file:
        yaml.dump(content, file)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a repository with the project's parameters committed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_EXP_BASELINE_REV", raising=False)
    shutil.copy(PROJECT / "params.yaml", tmp_path)
    git("init", "-q")
    git("add", "params.yaml")
    git("commit", "-qm", "parameters")
    return tmp_path


@pytest.mark.usefixtures("repository")
def test_a_name_has_the_parameters_that_the_network_uses_and_only_changed_ones() -> None:
    assert run_name("n4_dropout") == "n4_dropout"
    change(dropout_prob=0.3)
    assert run_name("n4_dropout") == "n4_dropout · dropout_prob=0.3"
    assert run_name("n4_dropout", 7) == "n4_dropout seed 7 · dropout_prob=0.3"
    assert run_name("n2_mlp") == "n2_mlp"
    change(num_epochs=3, seeds=[0])
    assert run_name("n2_mlp") == "n2_mlp · num_epochs=3, seeds=[0]"
    assert run_name("n2_mlp", 0) == "n2_mlp seed 0 · num_epochs=3"
    assert configuration("n2_mlp") == "n2_mlp · num_epochs=3"


@pytest.mark.usefixtures("repository")
def test_layers_count_too_and_a_new_network_is_its_own_name() -> None:
    change(networks={"n3_mlp": {"hidden_sizes": [16, 8]}, "n9": {"hidden_sizes": [4]}})
    assert run_name("n3_mlp") == "n3_mlp · hidden_sizes=[16,8]"
    assert run_name("n9") == "n9"


@pytest.mark.usefixtures("repository")
def test_an_experiment_is_compared_with_the_commit_that_it_started_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", git("rev-parse", "HEAD"))
    change(dropout_prob=0.3)
    git("commit", "-qam", "what DVC commits for its experiment")
    assert run_name("n4_dropout") == "n4_dropout · dropout_prob=0.3"
    monkeypatch.delenv("DVC_EXP_BASELINE_REV")
    assert run_name("n4_dropout") == "n4_dropout"


def test_without_git_or_parameters_a_name_is_the_networks(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(dropout_prob=0.3)
    (repository / ".git").rename(repository / "gone")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(repository.parent))
    assert run_name("n4_dropout") == "n4_dropout"
    (repository / "params.yaml").unlink()
    assert run_name("n4_dropout", 1) == "n4_dropout seed 1"
