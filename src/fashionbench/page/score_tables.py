"""Tables that the page has besides the comparison: accuracy by class, and all pairs of networks."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from fashionbench.analysis.results import Results
from fashionbench.analysis.statistics import CONFIDENCE, estimate
from fashionbench.data.splits import CLASSES


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of texts; the first cell of each row names it."""

    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


def classes_table(results: Results) -> Table:
    """Return the accuracy of each network on the test images of each class."""
    return Table(
        caption=f"Accuracy in % on the test images of each class: mean ± half the {CONFIDENCE:.0%} "
        f"interval; loss_input: {results.loss_input}.",
        headings=["Network", *CLASSES],
        rows=[
            [name, *(_with_half(results.score(name, "test", f"accuracy {one}")) for one in CLASSES)]
            for name in results.scores
        ],
    )


def pairs_table(pairs: pd.DataFrame) -> Table:
    """Return all pairs of networks on the test images; ``pairs`` is that of compare_pairs."""
    shown = pairs[pairs["split"] == "test"]
    loss_input = "".join(shown["loss_input"].unique())
    return Table(
        caption="All pairs of networks on the test images: difference of mean accuracies, first "
        "minus second, in points; paired t test with Holm's correction; how often a run of the "
        f"first beats one of the second; loss_input: {loss_input}.",
        headings=["First", "Second", "Difference", f"{CONFIDENCE:.0%} interval", "p", "Beats %"],
        rows=[
            [
                row["first"],
                row["second"],
                f"{100 * row['difference']:+.2f}",
                _range(row["low"], row["high"]),
                "" if pd.isna(row["p_adjusted"]) else f"{row['p_adjusted']:.2g}",
                f"{100 * row['superiority']:.0f}",
            ]
            for row in shown.to_dict("records")
        ],
    )


def _with_half(values: "pd.Series[float]") -> str:
    found = estimate(values.tolist())
    half = 50 * (found.high - found.low)
    text = f"{100 * found.mean:.1f}"
    return text if pd.isna(half) else f"{text} ± {half:.1f}"


def _range(low: float, high: float) -> str:
    return "" if pd.isna(low) else f"{100 * low:+.2f} to {100 * high:+.2f}"
