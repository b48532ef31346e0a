"""Stage ``compare``: tabulate and draw the results of all networks.

The many points of a study are drawn by the stage ``analyse``, all together.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from fashionbench.analysis.calibration_and_robustness import (
    TrustTables,
    compare_calibration,
    compare_robustness,
)
from fashionbench.analysis.comparison import compare_networks, mean_curves, summary_metrics
from fashionbench.analysis.result_files import (
    CALIBRATION_FILE,
    COMPARISON_FILE,
    FIGURES_DIR,
    KINDS,
    MEAN_CURVES_DIR,
    ROBUSTNESS_FILE,
    SUMMARY_FILE,
)
from fashionbench.page import figures
from fashionbench.params import load_params
from fashionbench.paths import highlights_file, network_table, study
from fashionbench.studies.obtained import with_data
from fashionbench.tables import read_arrays, read_table, write_table
from fashionbench.training.costs import count_costs

Tables = Mapping[str, pd.DataFrame]
"""Tables by network."""


def run() -> None:
    """Compare all networks of params.yaml; DataError if a table of results is missing."""
    params = with_data(load_params())
    curves, scores, costs = {}, {}, {}
    for name in params.networks:
        curves[name] = curve = read_table(network_table(name, "curves"))
        scores[name] = read_table(network_table(name, "scores"))
        how = params.of(name).hyperparameters
        costs[name] = count_costs(params.network(name), how, params.of(name).train_size)
        for kind in KINDS:
            write_table(mean_curves(curve, kind), MEAN_CURVES_DIR / kind / f"{name}.csv")
    comparison = compare_networks(curves, scores, costs)
    write_table(comparison, COMPARISON_FILE)
    summary = json.dumps(summary_metrics(comparison), indent=2)
    SUMMARY_FILE.write_text(f"{summary}\n", encoding="utf-8")
    if not study():
        _draw(comparison, curves, scores, params.dataset.classes)


def _draw(comparison: pd.DataFrame, curves: Tables, scores: Tables, classes: Sequence[str]) -> None:
    drawn = {}
    for name, curve in curves.items():
        highlights = read_arrays(highlights_file(name))
        confusion = read_table(network_table(name, "confusion"))
        drawn[f"networks/{name}"] = figures.draw_network(name, curve)
        drawn[f"confusion/{name}"] = figures.draw_confusion(confusion)
        drawn[f"filters/{name}"] = figures.draw_filters(highlights["filters"])
        drawn[f"errors/{name}"] = figures.draw_errors(highlights, classes)
    replicates = figures.accuracies_on_test(scores)
    drawn["accuracy"] = figures.draw_accuracy(comparison, replicates)
    drawn["curves"] = figures.draw_curves(curves, comparison)
    drawn["costs"] = figures.draw_costs(comparison, replicates)
    drawn |= _draw_trust(curves)
    for figure_name, figure in drawn.items():
        figures.save_svg(figure, FIGURES_DIR / f"{figure_name}.svg")


def _draw_trust(networks: Iterable[str]) -> dict[str, Figure]:
    """Tabulate and draw calibration and robustness; return the figures by name."""
    tables = TrustTables.read(Path(), networks)
    robustness = compare_robustness(tables.robustness)
    write_table(compare_calibration(tables.calibration), CALIBRATION_FILE)
    write_table(robustness, ROBUSTNESS_FILE)
    return {
        "calibration": figures.draw_reliability(tables.calibration),
        "robustness": figures.draw_robustness(robustness),
    }
