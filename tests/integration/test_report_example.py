"""The comparison in plain PyTorch, run small: it and the pipeline train the same eight networks."""

import csv
import runpy
import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pytest
import torch
from made_up import NETWORKS
from repositories import PROJECT, SAMPLE
from scipy import stats
from trainings import train_replicate

from fashionbench.data.examples import Examples
from fashionbench.params import Params
from fashionbench.training.costs import count
from fashionbench.training.epoch import Replicate

SCRIPT = PROJECT / "examples/report.py"
SEEDS, EPOCHS, IMAGES = 4, 2, 120
UNLIKELY = 1e-4
"""The p value of a difference that two samples of one distribution do not have."""


def test_it_stands_alone_and_fits_on_a_few_screens() -> None:
    text = SCRIPT.read_text()
    assert "fashionbench" not in text
    assert len(text.splitlines()) <= 200


def test_what_it_printed_agrees_with_the_committed_comparison() -> None:
    printed, committed = (
        pd.read_csv(PROJECT / path, index_col="network")
        for path in ("examples/report.csv", "metrics/comparison.csv")
    )
    committed = committed.loc[printed.index]
    assert (printed["parameters"] == committed["parameters"]).all()
    for score in ("val_accuracy", "val_loss", "test_accuracy", "test_loss"):
        low, high = f"{score}_low", f"{score}_high"
        overlap = (printed[low] <= committed[high]) & (committed[low] <= printed[high])
        assert overlap.all(), (score, overlap)


@pytest.mark.slow(minutes=1)
def test_its_losses_are_those_of_the_pipeline(params: Params) -> None:
    example = runpy.run_path(str(SCRIPT))
    splits = example["load"](SAMPLE, IMAGES, IMAGES)
    train, val = (
        Examples(images.squeeze(1).mul(255).round().to(torch.uint8), labels)
        for images, labels in (splits["train"], splits["val"])
    )
    short = replace(params.hyperparameters, num_epochs=EPOCHS)
    assert tuple(example["NETWORKS"]) == NETWORKS
    for name in NETWORKS:
        there, here = [], []
        for seed in range(SEEDS):
            there.append(example["train"](name, seed, splits, EPOCHS)["val_loss"])
            replicate = Replicate(network=params.network(name), hyperparameters=short, seed=seed)
            here.append(train_replicate(replicate, train, val)[0][-1].val_loss)
        assert stats.ttest_ind(there, here).pvalue > UNLIKELY, (name, there, here)


@pytest.mark.slow(minutes=1)
def test_its_table_has_the_pipelines_networks_and_intervals(params: Params) -> None:
    options = ("--images", "100", "--validation", "50", "--epochs", "1", "--seeds", "2")
    command = [sys.executable, str(SCRIPT), "--data", str(SAMPLE), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert {row["network"]: int(row["parameters"]) for row in rows} == {
        name: count(params.network(name)).parameters for name in NETWORKS
    }
    for row in rows:
        for column in ("val_accuracy", "val_loss", "test_accuracy", "test_loss"):
            low, mean, high = (float(row[column + end]) for end in ("_low", "", "_high"))
            assert low <= mean <= high
    assert any(float(row["val_loss_low"]) < float(row["val_loss_high"]) for row in rows)
