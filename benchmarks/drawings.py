"""The drawing of ``make bench``."""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter
from steps import Measured

from fashionbench.params import Params

_STYLE: dict[Any, Any] = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}


def draw_accuracy(
    measured: Mapping[str, Measured], comparison: pd.DataFrame, params: Params
) -> Figure:
    """Validation accuracy of what was measured over the time that one replicate trains.

    ``comparison`` is what comparison.compare_networks returns.
    """
    comparison = comparison[comparison["network"].isin(list(measured))]
    # Of a single seed there is no interval.
    for end in ("val_accuracy_low", "val_accuracy_high"):
        comparison = comparison.fillna({end: comparison["val_accuracy"]})
    steps = -(-params.train_size // params.batch_size) * params.num_epochs
    accuracy = comparison["val_accuracy"]
    shown = comparison[accuracy > accuracy.max() / 2]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        for row in comparison.to_dict("records"):
            taken = measured[row["network"]].steps["fashionbench"] * steps
            mean, low, high = (row[f"val_accuracy{end}"] for end in ("", "_low", "_high"))
            label = row["network"]
            if row["network"] in set(shown["network"]):
                axes.errorbar(taken, mean, yerr=[[mean - low], [high - mean]], fmt="o", capsize=3)
            else:
                high, label = shown["val_accuracy_low"].min() - 0.01, f"{label}: {mean:.2f} ▼"
            axes.annotate(label, (taken, high), (0, 3), textcoords="offset points", ha="center")
        axes.set(
            xscale="log",
            xlabel=f"seconds of one core for {params.num_epochs} epochs of one replicate",
            ylabel="validation accuracy (mean and 95% interval)",
        )
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.margins(x=0.15)
        axes.set_ylim(shown["val_accuracy_low"].min() - 0.015)
        axes.grid(alpha=0.3)
    return figure
