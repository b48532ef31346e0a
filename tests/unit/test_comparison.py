"""The comparison of made-up results whose answer is known, and its table."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import steps
from comparisons import COMPARISON, COSTS, CURVES, SCORES
from repositories import PROJECT, Repository
from rich.console import Console
from trainings import network, parameters_of

from fashionbench.analysis import comparison as comparison_table
from fashionbench.analysis.comparison import (
    best_first,
    compare_networks,
    describe_unportable,
    mean_curves,
    summary_metrics,
)
from fashionbench.errors import DataError
from fashionbench.networks.declared import build
from fashionbench.params import Hyperparameters, Network
from fashionbench.tables import read_table, write_table
from fashionbench.training.costs import count_costs


def test_one_row_per_network_with_means_intervals_and_the_best_epoch() -> None:
    good = COMPARISON.iloc[0]
    assert list(COMPARISON["network"]) == ["good", "bad"]
    assert (good["parameters"], good["train_teraflop"], good["seeds"]) == (1234, 2.5, 2)
    assert good["val_accuracy"] == pytest.approx(0.86)
    assert good["test_accuracy"] == pytest.approx(0.85)
    assert good["test_loss"] == pytest.approx(2 - 0.86 + 0.01)
    half = 12.7062 * 0.01  # t(0.975, 1) times the standard error of 0.85 and 0.87.
    assert good["val_accuracy_high"] - good["val_accuracy"] == pytest.approx(half, rel=1e-4)
    assert good["best_val_accuracy"] == pytest.approx(0.89)
    assert good["best_val_epoch"] == 2


@pytest.mark.parametrize(
    "declared",
    [
        network(),
        network(hidden_sizes=(7, 3), batch_norm=True),
        network(conv_filters=(2, 3), hidden_sizes=(5,), batch_norm=True),
        network(conv_filters=(2, 3), hidden_sizes=(), pool=True),
    ],
)
def test_costs_are_those_that_torch_counts(
    declared: Network, hyperparameters: Hyperparameters
) -> None:
    costs = count_costs(declared, replace(hyperparameters, num_epochs=3), train_size=64)
    of_an_epoch = steps.flops(declared, 64, backward=True)
    assert costs.train_teraflop * 1e12 == pytest.approx(3 * of_an_epoch)
    assert costs.parameters == parameters_of(build(declared))


def test_the_summary_is_flat_and_small() -> None:
    assert summary_metrics(COMPARISON) == {"champion": 0.85, "good": 0.85, "bad": 0.09}
    named = COMPARISON.assign(network=["n1_best_of_all", "n2_other"])
    assert list(summary_metrics(named)) == ["champion", "n1", "n2"]
    alike = COMPARISON.assign(network=["wide_1", "wide_2"])
    assert list(summary_metrics(alike)) == ["champion", "wide_1", "wide_2"]


def test_the_champion_is_the_best_by_median_though_one_of_its_runs_has_lost_a_class() -> None:
    medians = {"val_accuracy_median": [0.86, 0.87], "test_accuracy_median": [0.85, 0.84]}
    mixed = COMPARISON.assign(**medians)
    assert mixed["val_accuracy"].argmax() == 0
    assert list(best_first(mixed)["network"]) == ["bad", "good"]
    assert summary_metrics(mixed) == {"champion": 0.84, "good": 0.85, "bad": 0.84}


def test_mean_curves_have_one_row_per_epoch() -> None:
    mean = mean_curves(CURVES["good"], "accuracy")
    assert list(mean.columns) == ["epoch", "train", "val"]
    assert list(mean["epoch"]) == [1, 2, 3]
    assert mean["val"].tolist() == pytest.approx([0.81, 0.89, 0.86])
    assert mean_curves(CURVES["good"], "loss")["train"].tolist() == pytest.approx(
        [1.19, 1.11, 1.14]
    )


def printed_in(width: int) -> str:
    """Return what a terminal of that width shows of the table."""
    file = io.StringIO()
    comparison_table.print_comparison(console=Console(file=file, width=width))
    return file.getvalue()


def test_the_table_is_readable_on_a_terminal_and_in_markdown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"comparison.csv cannot be read .*; run dvc repro"):
        comparison_table.print_comparison()
    names, parameters = ["n5_batch_norm", "n8_conv"], [109_770, 3_229_866]
    widest = COMPARISON.assign(network=names, parameters=parameters)
    write_table(widest, tmp_path / "metrics/comparison.csv")
    printed = printed_in(80)
    assert "n5_batch_norm     109,770   0 of 2       86.00" in printed
    assert "3,229,866" in printed
    assert "mlflow ui" in printed
    lines = comparison_table.to_markdown(COMPARISON).splitlines()
    assert len(lines) == 4
    assert lines[2] == "| good | 1,234 | 0 of 2 (0 to 84%) | 86.00 | 85.00 | 2 |"


@pytest.mark.parametrize("width", [1, 20, 60, 80, 1000])
def test_values_stay_whole_and_names_fold_in_any_terminal(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["n2_mlp_l2_strength_0_001_batch_size_1024_logits", "n8_conv"]
    write_table(COMPARISON.assign(network=names), tmp_path / "metrics/comparison.csv")
    printed = printed_in(width)
    for row in comparison_table.table_rows(COMPARISON):
        for value in row[1:]:
            # In a terminal the interval of a count is left out.
            assert value.partition(" (")[0] in printed
    body = printed.rpartition("─\n")[2].partition("All")[0]
    assert "".join(line.partition(" ")[0] for line in body.splitlines()) == "".join(names)
    assert "…" not in printed


@pytest.mark.parametrize("variables", [{}, {"COLUMNS": "20"}, {"FORCE_COLOR": "1"}])
def test_no_width_applies_where_the_output_is_no_terminal(variables: dict[str, str]) -> None:
    study = PROJECT / "studies/hyperparameters"
    said = Repository(study, variables).run("fashionbench", "table").stdout
    table = read_table(study / "metrics/comparison.csv")
    # The interval of a count is left out here, and what a row does not have leaves no gap.
    rows = [
        " ".join(cell.partition(" (")[0] for cell in row if cell)
        for row in comparison_table.table_rows(table)
    ]
    assert [row for row in rows if row not in re.sub(" +", " ", said)] == []


def test_tables_survive_their_files(tmp_path: Path) -> None:
    write_table(COMPARISON, tmp_path / "folder/table.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "folder/table.csv"), COMPARISON, atol=1e-6)


def test_what_has_the_bits_of_one_kind_of_processor_is_named_and_marked(
    hyperparameters: Hyperparameters,
) -> None:
    declared = network()
    assert count_costs(declared, hyperparameters, 64).bits == "portable"
    how = replace(hyperparameters, optimizer="rmsprop", precision="bfloat16")
    assert count_costs(declared, how, 64).bits == "precision bfloat16, optimizer rmsprop"
    costs = COSTS | {"good": replace(COSTS["good"], bits="optimizer rmsprop")}
    table = compare_networks(CURVES, SCORES, costs)
    note = "Bits of this kind of processor only (good: optimizer rmsprop)"
    assert describe_unportable(table) == f"* {note}"
    assert comparison_table.to_markdown(table).endswith(f"\n\n\\* {note}")
    assert [row[0] for row in comparison_table.table_rows(table)] == ["good*", "bad"]
    assert describe_unportable(COMPARISON) == describe_unportable(table[["network"]]) == ""
