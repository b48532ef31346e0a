"""The comparison of made-up results whose answer is known, and its table."""

import io
from pathlib import Path

import pandas as pd
import pytest
import timing
from comparisons import COMPARISON, CURVES
from rich.console import Console
from trainings import network, parameters_of

from fashionbench.analysis import comparison_table
from fashionbench.analysis.comparison import mean_curves, summary_metrics
from fashionbench.errors import DataError
from fashionbench.params import Network
from fashionbench.tables import read_table, write_table
from fashionbench.training.costs import count_costs
from fashionbench.training.networks import build


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


def test_costs_are_counted_from_the_layers() -> None:
    declared = network(conv_filters=(2,), hidden_sizes=(5,))
    first, others = 784 * 9 * 2, 784 * 2 * 5 + 5 * 10
    costs = count_costs(declared, train_size=100, num_epochs=3)
    # Forward, and gradients for weights and for inputs, except for the images.
    products = 2 * first + 3 * others
    assert costs.train_teraflop == pytest.approx(2 * products * 100 * 3 / 1e12)
    assert costs.parameters == (9 * 2 + 2) + (784 * 2 * 5 + 5) + (5 * 10 + 10)


@pytest.mark.parametrize(
    "declared",
    [
        network(),
        network(hidden_sizes=(7, 3), batch_norm=True),
        network(conv_filters=(2, 3), hidden_sizes=(5,), batch_norm=True),
        network(conv_filters=(2, 3), hidden_sizes=(), pool=True),
    ],
)
def test_costs_are_those_that_torch_counts(declared: Network) -> None:
    costs = count_costs(declared, train_size=64, num_epochs=1)
    assert costs.train_teraflop * 1e12 == pytest.approx(timing.flops(declared, 64, backward=True))
    assert costs.parameters == parameters_of(build(declared))


def test_the_summary_is_flat_and_small() -> None:
    assert summary_metrics(COMPARISON) == {
        "good_val_accuracy": 0.86,
        "good_test_accuracy": 0.85,
        "bad_val_accuracy": 0.1,
        "bad_test_accuracy": 0.09,
    }


def test_mean_curves_have_one_row_per_epoch() -> None:
    mean = mean_curves(CURVES["good"], "accuracy")
    assert list(mean.columns) == ["epoch", "train", "val"]
    assert list(mean["epoch"]) == [1, 2, 3]
    assert mean["val"].tolist() == pytest.approx([0.81, 0.89, 0.86])
    assert mean_curves(CURVES["good"], "loss")["train"].tolist() == pytest.approx(
        [1.19, 1.11, 1.14]
    )


def test_the_table_is_readable_on_a_terminal_and_in_markdown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"comparison.csv cannot be read .*; run dvc repro"):
        comparison_table.print_comparison()
    names, parameters = ["n5_batch_norm", "n8_conv"], [109_770, 3_229_866]
    widest = COMPARISON.assign(network=names, parameters=parameters)
    write_table(widest, tmp_path / "metrics/comparison.csv")
    console = Console(file=io.StringIO(), width=80)
    comparison_table.print_comparison(console=console)
    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue()
    assert "n5_batch_norm     109,770  86.00 ± 12.71" in printed
    assert "3,229,866" in printed
    assert "…" not in printed
    assert "mlflow ui" in printed
    lines = comparison_table.to_markdown(COMPARISON).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| good | 1,234 | 86.00 ± 12.71 |")


def test_tables_survive_their_files(tmp_path: Path) -> None:
    write_table(COMPARISON, tmp_path / "folder/table.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "folder/table.csv"), COMPARISON, atol=1e-6)
