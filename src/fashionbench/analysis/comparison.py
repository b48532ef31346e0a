"""The comparison of all networks, and the tables that show it."""

import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import pandas as pd
from rich.console import Console

from fashionbench.analysis.result_files import COMPARISON_FILE, read_result
from fashionbench.analysis.results import lost_a_class
from fashionbench.analysis.statistics import exact_interval, median_interval, with_interval
from fashionbench.messages import counted
from fashionbench.terminal import open_console, print_table

if TYPE_CHECKING:
    # Counting costs imports torch, which reading a comparison does not need.
    from fashionbench.training.costs import Costs

SCORES = ("val_accuracy", "val_loss", "test_accuracy", "test_loss")
"""The scores that are compared, each by its mean and 95% interval over seeds."""


def compare_networks(
    curves: Mapping[str, pd.DataFrame],
    scores: Mapping[str, pd.DataFrame],
    costs: "Mapping[str, Costs]",
) -> pd.DataFrame:
    """Return one row per network, in the order of ``curves``.

    All arguments are keyed by network name. ``curves`` have the columns of
    :class:`fashionbench.training.epoch.Epoch`; ``scores`` have seed, split, loss and accuracy.
    Columns of the result: network, the fields of Costs, seeds (their number), lost_class (how many
    of these recognise no validation image of some class), for each of SCORES the median and its
    exact interval (``_median``, ``_median_low``, ``_median_high``), and for each of
    SCORES and for best_val_accuracy the mean and the ends of its 95% interval (``_low``,
    ``_high``). best_val_accuracy is the maximum of the mean validation curve, reached in epoch
    best_val_epoch.
    """
    rows = []
    for name, curve in curves.items():
        row: dict[str, object] = {"network": name} | asdict(costs[name])
        row["seeds"] = curve["seed"].nunique()
        row["lost_class"] = int(lost_a_class(scores[name]).sum())
        for score in SCORES:
            split, _, kind = score.partition("_")
            table = scores[name]
            values = table.loc[table["split"] == split, kind]
            row |= with_interval(score, values.tolist())
            ends = zip(("", "_low", "_high"), median_interval(values.tolist()), strict=True)
            row |= {f"{score}_median{end}": value for end, value in ends}
        by_epoch = curve.groupby("epoch")["val_accuracy"]
        best_epoch = by_epoch.mean().idxmax()
        row |= with_interval("best_val_accuracy", by_epoch.get_group(best_epoch).tolist())
        row["best_val_epoch"] = best_epoch
        rows.append(row)
    return pd.DataFrame(rows)


def best_first(comparison: pd.DataFrame) -> pd.DataFrame:
    """Rank the networks by their median accuracy on validation images; the first is the champion.

    Where some runs lose a class, a mean lies between two groups of runs, where there is none.
    """
    return comparison.sort_values("val_accuracy_median", ascending=False, kind="stable")


def summary_metrics(comparison: pd.DataFrame) -> dict[str, float]:
    """Return the metrics by which ``dvc exp show`` compares experiments, few and short.

    They are median test accuracies: that of the best network on validation images, ``champion``,
    and each network's, named by the part before the first underscore where that tells them apart.
    """
    names = [str(name) for name in comparison["network"]]
    short = [name.partition("_")[0] for name in names]
    labels = dict(zip(names, short if len(set(short)) == len(short) else names, strict=True))
    test = comparison.set_index("network")["test_accuracy_median"].round(4).to_dict()
    champion = best_first(comparison)["network"].iloc[0]
    return {"champion": test[champion]} | {labels[name]: test[name] for name in names}


def mean_curves(curve: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Average a network's learning curves over its seeds, as a table for ``dvc plots``.

    ``kind`` is loss or accuracy. Columns of the result: epoch, train and val, one row per epoch.
    """
    columns = {f"train_{kind}": "train", f"val_{kind}": "val"}
    return curve.groupby("epoch")[list(columns)].mean().rename(columns=columns).reset_index()


HEADINGS = (
    "Network",
    "Parameters",
    "Lost a class",
    "Val accuracy %",
    "Test accuracy %",
    "Best epoch",
)


def print_comparison(
    rev: str | None = None, *, markdown: bool = False, console: Console | None = None
) -> None:
    """Print the comparison of the last run, or of ``rev``: a commit, a branch or an experiment.

    Raises DataError if there is no comparison.
    """
    comparison = pd.read_csv(io.StringIO(read_result(COMPARISON_FILE, rev)))
    console = console or open_console()
    if markdown:
        console.print(to_markdown(comparison), markup=False, highlight=False, soft_wrap=True)
        return
    seeds = count_seeds(comparison)
    title = "One seed" if seeds == "1 seed" else f"Median and exact 95% interval of {seeds}"
    # With headings of two lines the table fits a terminal of 80 columns.
    headings = [heading.replace(" ", "\n", 1) for heading in HEADINGS]
    rows = [
        (name, parameters, lost.partition(" (")[0], *others)
        for name, parameters, lost, *others in table_rows(comparison)
    ]
    print_table(console, headings, rows, title=title)
    if note := describe_unportable(comparison):
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    console.print("All runs with their curves and models: [bold]mlflow ui[/bold]", soft_wrap=True)


def to_markdown(comparison: pd.DataFrame) -> str:
    """Return the table as Markdown."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---|" + "---:|" * (len(HEADINGS) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in table_rows(comparison)]
    if note := describe_unportable(comparison):
        lines += ["", note.replace("*", "\\*", 1)]
    return "\n".join(lines)


def count_seeds(comparison: pd.DataFrame) -> str:
    """Say with how many seeds the networks were trained, such as ``5 to 20 seeds``."""
    fewest, most = comparison["seeds"].min(), comparison["seeds"].max()
    return f"{fewest} to {most} seeds" if fewest < most else counted(most, "seed")


def describe_unportable(comparison: pd.DataFrame) -> str:
    """Say which networks have bits of one kind of processor only, and why; empty if none has."""
    reasons = _unportable(comparison)
    named = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    return f"* Bits of this kind of processor only ({named})" if named else ""


def _unportable(comparison: pd.DataFrame) -> dict[str, str]:
    if "bits" not in comparison:  # Made when all were portable.
        return {}
    bits = comparison.set_index("network")["bits"]
    return {str(name): reason for name, reason in bits.items() if reason != "portable"}


def table_rows(comparison: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each network's row, in the order of HEADINGS."""
    marked = _unportable(comparison)
    for _, row in comparison.iterrows():
        name = str(row["network"])
        yield (
            f"{name}*" if name in marked else name,
            f"{row['parameters']:,}",
            _lost(row),
            _cell(row, "val_accuracy"),
            _cell(row, "test_accuracy"),
            str(row["best_val_epoch"]),
        )


def _lost(row: "pd.Series[float]") -> str:
    """Say how many runs lost a class, such as ``8 of 40 (9 to 36%)``."""
    if "lost_class" not in row:
        return ""
    lost, n = int(row["lost_class"]), int(row["seeds"])
    low, high = exact_interval(lost, n)
    return f"{lost} of {n} ({100 * low:.0f} to {100 * high:.0f}%)"


def _cell(row: "pd.Series[float]", score: str) -> str:
    """Format a median with its interval; a mean where a table of an earlier version has no median.

    A mean of two groups of runs may lie where there is none.
    """
    if f"{score}_median" not in row:
        half = 50 * (row[f"{score}_high"] - row[f"{score}_low"])
        text = f"{100 * row[score]:.2f}"
        return text if math.isnan(half) else f"{text} ± {half:.2f}"
    median, low, high = (100 * row[f"{score}_median{end}"] for end in ("", "_low", "_high"))
    text = f"{median:.2f}"
    return text if math.isnan(low) else f"{text} [{low:.2f}, {high:.2f}]"
