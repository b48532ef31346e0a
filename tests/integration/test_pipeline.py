"""The stages as DVC runs them: real DVC, real MLflow, real images, in repositories of their own."""

import json

import numpy as np
import pandas as pd
import pytest
from made_up import CLAIMS
from repositories import NETWORKS, Repository
from safetensors.numpy import load_file
from stores import assert_shows_what_dvc_holds, by_name, client_of

from fashionbench.data.splits import load_split
from fashionbench.tables import read_arrays


def test_prepare_draws_the_splits_that_params_ask_for(finished: Repository) -> None:
    prepared = finished.path / "data/prepared"
    sizes = {path.stem: len(load_split(path)) for path in prepared.iterdir() if path.suffix}
    assert sizes == {"train": 300, "val": 100, "test": 100}


def test_train_writes_curves_and_weights_of_every_seed(finished: Repository) -> None:
    for name in NETWORKS:
        curves = pd.read_csv(finished.path / f"metrics/networks/{name}/curves.csv")
        assert curves[["seed", "epoch"]].to_numpy().tolist() == [[0, 1], [0, 2], [1, 1], [1, 2]]
        weights = {path.name for path in (finished.path / "models" / name).iterdir()}
        assert weights == {"seed_0.safetensors", "seed_1.safetensors"}


def test_every_output_is_text_safetensors_or_an_official_file(finished: Repository) -> None:
    outputs = [finished.path / path for path in finished.hashes("data", "models", "metrics")]
    # Of each network two weights, four tables, predictions, highlights and four figures.
    assert len(outputs) > 12 * len(NETWORKS)
    for path in outputs:
        if path.suffix == ".safetensors":
            assert load_file(path)
        elif path.name.endswith("-ubyte"):
            assert path.read_bytes()[:3] == b"\0\0\x08"
        else:
            assert "\0" not in path.read_text(encoding="utf-8")


def test_evaluate_agrees_with_the_last_epoch_and_counts_every_test_image(
    finished: Repository,
) -> None:
    for name in NETWORKS:
        folder = finished.path / "metrics/networks" / name
        curves, scores = (pd.read_csv(folder / f"{t}.csv") for t in ("curves", "scores"))
        last = curves[curves["epoch"] == 2].set_index("seed")
        val = scores[scores["split"] == "val"].set_index("seed")
        assert val["loss"].tolist() == pytest.approx(last["val_loss"].tolist(), abs=2e-6)
        assert val["accuracy"].tolist() == pytest.approx(last["val_accuracy"].tolist(), abs=2e-6)
        confusion = pd.read_csv(folder / "confusion.csv")
        assert confusion.groupby("seed")["images"].sum().tolist() == [100, 100]
        predictions = read_arrays(finished.path / f"data/predictions/{name}.json")
        counts = confusion.groupby(["seed", "predicted"], sort=False)["images"].sum()
        for seed in (0, 1):
            assert (
                counts[seed].tolist()
                == np.bincount(predictions[f"test_seed_{seed}"], minlength=10).tolist()
            )


def test_compare_has_a_row_and_a_figure_a_network(finished: Repository) -> None:
    comparison = pd.read_csv(finished.path / "metrics/comparison.csv")
    assert list(comparison["network"]) == list(NETWORKS)
    assert set(comparison["seeds"]) == {2}
    folder = finished.path / "metrics/figures"
    figures = {str(path.relative_to(folder)) for path in folder.rglob("*.svg")}
    of_networks = {
        f"{kind}/{name}.svg"
        for kind in ("networks", "confusion", "filters", "errors")
        for name in NETWORKS
    }
    of_all = {
        f"{kind}.svg" for kind in ("accuracy", "calibration", "costs", "curves", "robustness")
    }
    assert figures == of_all | of_networks
    calibration = pd.read_csv(finished.path / "metrics/calibration.csv")
    robustness = pd.read_csv(finished.path / "metrics/robustness.csv")
    assert list(calibration["network"]) == list(robustness["network"].unique()) == list(NETWORKS)
    summary = json.loads((finished.path / "metrics/summary.json").read_text())
    assert list(summary) == ["champion", *(name.partition("_")[0] for name in NETWORKS)]


def test_report_judges_every_claim_and_shows_every_network(finished: Repository) -> None:
    (arm,) = json.loads((finished.path / "metrics/claims.json").read_text()).values()
    verdicts = arm["claims"]
    assert [record["claim"] for record in verdicts] == [claim.number for claim in CLAIMS]
    assert {record["verdict"] for record in verdicts} == {"inconclusive", "not applicable"}
    remarks = {record["claim"]: record["remark"] for record in verdicts}
    # Of all claims the one whose networks are all there.
    assert remarks["8a"] == "2 of at least 3 seeds"
    assert remarks["15a"] == "not tested: n8_conv is not in params.yaml"
    page = (finished.path / "metrics/report.html").read_text()
    for name in NETWORKS:
        assert f'<h3 id="network-{name}">' in page
        assert f'aria-label="Confusion matrix of {name}, ' in page
    for name, value in (("train_size", "300"), ("train-images-idx3-ubyte", "")):
        assert f'<th scope="row">{name}</th><td>{value}' in page
    # The study that is kept is of other parameters: it must not stand beside these results.
    assert "The correction" not in page


def test_mlflow_holds_every_replicate_once_with_its_scores(finished: Repository) -> None:
    client = client_of(finished)
    assert_shows_what_dvc_holds(client, finished)
    found = by_name(client)
    assert found.keys() == {
        "comparison",
        *NETWORKS,
        *(f"{name} seed {seed}" for name in NETWORKS for seed in (0, 1)),
    }
    for name in NETWORKS:
        for seed in (0, 1):
            tags = found[f"{name} seed {seed}"].data.tags
            assert tags["mlflow.parentRunId"] == found[name].info.run_id
            assert tags["dvc.stage"] == f"train@{name}"
            # Too short to be watched.
            assert "fashionbench.restored" in tags
            assert len(tags["git.commit"]) == 40
    assert found["n4_dropout seed 0"].data.params["dropout_prob"] == "0.5"
    assert found["n2_mlp seed 0"].data.params["dropout_prob"] == "0.0"
