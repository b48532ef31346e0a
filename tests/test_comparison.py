"""The comparison of made-up results whose answer is known, its table and its figures."""

import io
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from fashionbench import table
from fashionbench.comparison import compare_networks, mean_curves, summarise
from fashionbench.errors import DataError
from fashionbench.figures import draw_comparison, draw_network, save_svg
from fashionbench.results import read_table, write_table


def curve(*accuracies_by_seed: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "seed": seed,
                "epoch": epoch,
                "train_objective": 2.0,
                "train_loss": 2.0 - accuracy,
                "train_accuracy": accuracy,
                "val_loss": 1.9 - accuracy,
                "val_accuracy": accuracy,
            }
            for seed, accuracies in enumerate(accuracies_by_seed)
            for epoch, accuracy in enumerate(accuracies, start=1)
        ]
    )


def scores(*accuracies: float) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "seed": seed,
                "split": split,
                "loss": 2 - accuracy - shift,
                "accuracy": accuracy + shift,
            }
            for seed, accuracy in enumerate(accuracies)
            for split, shift in (("train", 0.02), ("val", 0.0), ("test", -0.01))
        ]
    )


CURVES = {
    "good": curve([0.80, 0.90, 0.85], [0.82, 0.88, 0.87]),
    "bad": curve([0.1, 0.1, 0.1], [0.1, 0.1, 0.1]),
}
COMPARISON = compare_networks(
    CURVES, {"good": scores(0.85, 0.87), "bad": scores(0.1, 0.1)}, {"good": 1234, "bad": 5}
)


def test_one_row_a_network_with_means_intervals_and_the_best_epoch() -> None:
    good = COMPARISON.iloc[0]
    assert list(COMPARISON["network"]) == ["good", "bad"]
    assert (good["parameters"], good["seeds"]) == (1234, 2)
    assert good["val_accuracy"] == pytest.approx(0.86)
    assert good["test_accuracy"] == pytest.approx(0.85)
    assert good["test_loss"] == pytest.approx(2 - 0.86 + 0.01)
    half = 12.7062 * 0.01  # t(0.975, 1) times the standard error of 0.85 and 0.87.
    assert good["val_accuracy_high"] - good["val_accuracy"] == pytest.approx(half, rel=1e-4)
    assert good["best_val_accuracy"] == pytest.approx(0.89)
    assert good["best_val_epoch"] == 2


def test_the_summary_is_flat_and_small() -> None:
    assert summarise(COMPARISON) == {
        "good_val_accuracy": 0.86,
        "good_test_accuracy": 0.85,
        "bad_val_accuracy": 0.1,
        "bad_test_accuracy": 0.09,
    }


def test_mean_curves_have_one_row_an_epoch() -> None:
    mean = mean_curves(CURVES["good"], "accuracy")
    assert list(mean.columns) == ["epoch", "train", "val"]
    assert list(mean["epoch"]) == [1, 2, 3]
    assert mean["val"].tolist() == pytest.approx([0.81, 0.89, 0.86])
    assert mean_curves(CURVES["good"], "loss")["train"].tolist() == pytest.approx(
        [1.19, 1.11, 1.14]
    )


def test_figures_have_the_same_bytes_every_time_and_no_date(tmp_path: Path) -> None:
    for attempt in ("first", "second"):
        save_svg(draw_network("good", CURVES["good"]), tmp_path / attempt / "network.svg")
        save_svg(draw_comparison(CURVES, COMPARISON), tmp_path / attempt / "comparison.svg")
    for name in ("network.svg", "comparison.svg"):
        content = (tmp_path / "first" / name).read_bytes()
        assert content == (tmp_path / "second" / name).read_bytes()
        assert b"<dc:date>" not in content
        assert content.count(b"<path") > 20


def test_a_single_seed_is_drawn_without_a_band(tmp_path: Path) -> None:
    figure = draw_network("one", curve([0.5, 0.6]))
    assert all(not axes.collections for axes in figure.axes)
    assert all(axes.collections for axes in draw_network("two", CURVES["good"]).axes)


def test_a_network_that_learned_nothing_is_named_at_the_edge() -> None:
    left, _, right = draw_comparison(CURVES, COMPARISON).axes
    assert len(left.lines) == 1
    assert [text.get_text() for text in right.texts] == ["◀ 0.090"]


def test_the_table_is_readable_on_a_terminal_and_in_markdown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"comparison.csv cannot be read .*; run dvc repro"):
        table.show()
    names, parameters = ["n5_batch_norm", "n8_conv"], [109_770, 3_229_866]
    widest = COMPARISON.assign(network=names, parameters=parameters)
    write_table(widest, tmp_path / "metrics/comparison.csv")
    console = Console(file=io.StringIO(), width=80)
    table.show(console=console)
    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue()
    assert "n5_batch_norm     109,770  86.00 ± 12.71" in printed
    assert "3,229,866" in printed
    assert "…" not in printed
    assert "mlflow ui" in printed
    lines = table.to_markdown(COMPARISON).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| good | 1,234 | 86.00 ± 12.71 |")


def test_tables_survive_their_files(tmp_path: Path) -> None:
    write_table(COMPARISON, tmp_path / "folder/table.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "folder/table.csv"), COMPARISON, atol=1e-6)
