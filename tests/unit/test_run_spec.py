"""Descriptions of runs: names, notes and provenance."""

import subprocess
from pathlib import Path

import pytest
from trainings import network, nothing_watched

from fashionbench.params import Hyperparameters
from fashionbench.tracking.run_spec import (
    describe_network,
    describe_replicate,
    provenance_of_restored,
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


def test_a_restored_run_is_an_experiments_only_if_that_has_changed_its_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=Test", "-c", "user.email=test@localhost")
        command = ["git", *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

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
