"""``fashionbench keep``: copies an experiment of real DVC into a study."""

import os
from pathlib import Path

import pytest
from repositories import NETWORKS, Repository

from fashionbench.yaml_files import read_yaml

KEEP = ("python", "-m", "fashionbench", "keep")

# What a study holds, and a figure, which it does not hold.
PIPELINE = """
stages:
  train:
    cmd: >-
      mkdir -p metrics/networks/n1 metrics/figures &&
      echo ${loss_input} |
      tee metrics/networks/n1/curves.csv metrics/comparison.csv metrics/figures/costs.svg
    params: [loss_input]
    outs:
      - metrics/networks/n1/curves.csv: {cache: false}
      - metrics/comparison.csv: {cache: false}
      - metrics/figures: {cache: false}
  sum_up:
    cmd: cp metrics/comparison.csv metrics/summary.json
    deps: [metrics/comparison.csv]
    outs:
      - metrics/summary.json: {cache: false}
"""
LEFTOVER = "metrics/networks/n0_gone/curves.csv"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Make a repository of DVC's in which nothing has run, and which has an older study."""
    repository = Repository(tmp_path / "repository")
    for name, text in {
        ".dvc/config": "[core]\n    analytics = false\n",
        "dvc.yaml": PIPELINE,
        "params.yaml": "loss_input: probabilities\n",
        f"studies/other/{LEFTOVER}": "of an earlier study",
    }.items():
        path = repository.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    repository.begin()
    return repository


def test_an_experiment_is_kept_with_its_lock_and_its_tables(repository: Repository) -> None:
    study = repository.path / "studies/other"
    repository.run("dvc", "exp", "run", "--temp", "-n", "other", "-S", "loss_input=logits")
    for rev, reason in (
        ("nothing", "there is no complete experiment 'nothing'"),
        ("HEAD", "there is no complete experiment 'HEAD' (it has no dvc.lock)"),
    ):
        done = repository.run(*KEEP, rev, "studies/other", check=False)
        assert done.returncode == 1
        assert reason in done.stderr
        assert "dvc exp list" in done.stderr
        assert (study / LEFTOVER).exists()
    repository.run(*KEEP, "other", "studies/other")
    stages = read_yaml(study / "dvc.lock")["stages"]
    assert stages["train"]["params"]["params.yaml"]["loss_input"] == "logits"
    for name in ("networks/n1/curves.csv", "comparison.csv", "summary.json"):
        assert (study / "metrics" / name).read_text() == "logits\n"
    assert not (study / LEFTOVER).exists()
    assert not (study / "metrics/figures").exists()


@pytest.mark.parametrize("folder", [".", "..", "metrics", "studies", "studies/..", "studies/link"])
def test_only_a_folder_below_studies_is_replaced(repository: Repository, folder: str) -> None:
    (repository.path / "studies/link").symlink_to("../metrics")
    everything = repository.hashes(".")
    done = repository.run(*KEEP, "HEAD", folder, check=False)
    assert done.returncode == 1
    # As it is called from the top of the repository.
    assert f"{os.path.normpath(folder)} is not below studies/" in done.stderr
    assert "such as studies/logits" in done.stderr
    assert repository.hashes(".") == everything


def test_the_results_of_a_commit_are_kept_whole(copied: Repository) -> None:
    copied.run("fashionbench", "keep", "HEAD", "studies/same")
    tables = ("metrics/networks", "metrics/comparison.csv", "metrics/summary.json")
    kept = {
        str(Path(path).relative_to("studies/same")): digest
        for path, digest in copied.hashes("studies/same").items()
    }
    assert len(kept) == 3 + 4 * len(NETWORKS)
    assert kept == copied.hashes("dvc.lock", *tables)
