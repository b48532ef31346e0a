"""Stage ``compare``: the table and the figures of all networks."""

import json

from fashionbench.comparison import (
    COMPARISON_FILE,
    FIGURES_DIR,
    KINDS,
    MEAN_CURVES_DIR,
    SUMMARY_FILE,
    compare_networks,
    mean_curves,
    summarise,
)
from fashionbench.figures import draw_comparison, draw_network, save_svg
from fashionbench.networks import count_parameters
from fashionbench.params import load_params
from fashionbench.results import network_table, read_table, write_table


def run() -> None:
    """Compare all networks of params.yaml; DataError if the results of one are missing."""
    params = load_params()
    curves, scores, parameters = {}, {}, {}
    for name in params.networks:
        curves[name] = read_table(network_table(name, "curves"))
        scores[name] = read_table(network_table(name, "scores"))
        parameters[name] = count_parameters(params.network(name))
    comparison = compare_networks(curves, scores, parameters)
    write_table(comparison, COMPARISON_FILE)
    summary = json.dumps(summarise(comparison), indent=2)
    SUMMARY_FILE.write_text(f"{summary}\n", encoding="utf-8")
    for name, curve in curves.items():
        for kind in KINDS:
            write_table(mean_curves(curve, kind), MEAN_CURVES_DIR / kind / f"{name}.csv")
        save_svg(draw_network(name, curve), FIGURES_DIR / f"{name}.svg")
    save_svg(draw_comparison(curves, comparison), FIGURES_DIR / "comparison.svg")
