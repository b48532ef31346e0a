"""The model card: which replicate it is of, its numbers, and its length."""

from pathlib import Path

import pandas as pd
import pytest
from made_up_trust import calibration, robustness
from repositories import CLASSES

from fashionbench.analysis.model_card import LONGEST, read_champion, write_card
from fashionbench.analysis.result_files import COMPARISON_FILE
from fashionbench.params import Params
from fashionbench.paths import network_table
from fashionbench.tables import write_table

BEST = "n5_batch_norm"
ACCURACIES = {"Shirt": 0.6, "Coat": 0.7, "Pullover": 0.8}
"""Of classes on the test images; all others have 0.9."""


def comparison(*, with_interval: bool) -> pd.DataFrame:
    rows = [("n2_mlp", 0.87, 0.95), (BEST, 0.89, 0.88), ("n6_l1", 0.1, 0.1)]
    half = 0.01 if with_interval else float("nan")
    return pd.DataFrame(
        {"network": name, "parameters": 109_770, "val_accuracy_median": val}
        | {"val_accuracy": val, "val_accuracy_low": val - half, "val_accuracy_high": val + half}
        | {
            "test_accuracy": test,
            "test_accuracy_low": test - half,
            "test_accuracy_high": test + half,
        }
        for name, val, test in rows
    )


def scores(seeds: int) -> pd.DataFrame:
    """Seed 1 is the best on validation images, seed 0 on those of the test."""
    return pd.DataFrame(
        {"seed": seed, "split": split, "loss": 1.6, "accuracy": accuracy}
        | {f"accuracy {name}": ACCURACIES.get(name, 0.9) for name in CLASSES}
        for seed in range(seeds)
        for split, accuracy in (("train", 0.9), ("val", 0.88 + 0.01 * seed), ("test", 0.9))
    )


def confusion(seeds: int) -> pd.DataFrame:
    """Everything wrong is taken for the next class."""
    return pd.DataFrame(
        {"seed": seed, "actual": actual, "predicted": predicted, "images": images}
        for seed in range(seeds)
        for row, actual in enumerate(CLASSES)
        for column, predicted in enumerate(CLASSES)
        for images in [{0: 60, 1: 40}.get((column - row) % 10, 0)]
    )


@pytest.fixture(params=[2, 1])
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Write the results of several seeds, or of one."""
    seeds = int(request.param)
    tables = {
        COMPARISON_FILE: comparison(with_interval=seeds > 1),
        network_table(BEST, "scores"): scores(seeds),
        network_table(BEST, "confusion"): confusion(seeds),
        network_table(BEST, "calibration"): calibration(*[0.05] * seeds),
        network_table(BEST, "robustness"): robustness(*[0.9] * seeds),
    }
    for path, table in tables.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        write_table(table, tmp_path / path)
    return tmp_path


def test_the_card_is_of_the_best_by_validation_and_has_its_numbers(
    folder: Path, params: Params
) -> None:
    champion = read_champion(folder)
    seeds = champion.scores["seed"].nunique()
    assert (champion.network, champion.seed) == (BEST, seeds - 1)
    card = write_card(champion, params)
    assert f"`{BEST}`, seed {champion.seed}: " in card
    assert "109,770 parameters" in card
    validation = "89.00% [88.00, 90.00] | 89.00%" if seeds > 1 else "89.00% | 88.00%"
    assert f"| validation accuracy | {validation} |" in card
    assert "| expected calibration error | 5.00%" in card
    assert "| none |  | 90 |" in card
    assert "| shift | 1, 2, 3, 4 pixels | 80, 70, 60, 50 |" in card
    assert "must not be used for" in card
    assert len(card) <= LONGEST
    assert "nan" not in card


def test_the_card_names_the_values_of_its_networks_own(folder: Path, params: Params) -> None:
    own = params.networks[BEST].model_copy(
        update={"own": {"num_epochs": 7, "loss_input": "logits"}}
    )
    changed = params.model_copy(update={"networks": {**params.networks, BEST: own}})
    card = write_card(read_champion(folder), changed)
    assert "for 7 epochs, with cross-entropy of logits." in card


def test_the_weakest_classes_come_first_with_what_they_are_taken_for(
    folder: Path, params: Params
) -> None:
    _, _, section = write_card(read_champion(folder), params).partition("## Where it is weak\n\n")
    _, _, *rows = section.partition("\n\n")[0].splitlines()
    cells = [row.strip("| ").split(" | ") for row in rows]
    assert [(name, accuracy[:6], other) for name, accuracy, other in cells] == [
        ("Shirt", "60.00%", "Sneaker, 40%"),
        ("Coat", "70.00%", "Sandal, 40%"),
        ("Pullover", "80.00%", "Dress, 40%"),
    ]
