"""Stage ``report``: the verdicts on the report's claims, and the page with all results."""

import json
from dataclasses import asdict
from pathlib import Path

from fashionbench.analysis.claims import CLAIMS
from fashionbench.analysis.comparison import COMPARISON_FILE
from fashionbench.analysis.explanations import EXPLANATIONS_FILE, explain
from fashionbench.analysis.studies import LOGITS_STUDY, is_counterpart
from fashionbench.analysis.verdict_table import CLAIMS_FILE, REPORT_FILE, to_records
from fashionbench.analysis.verdicts import Results
from fashionbench.page import captions, figures, made_from
from fashionbench.page.page import Arm, Page, render
from fashionbench.params import load_params
from fashionbench.pipeline.dependencies import Dependencies
from fashionbench.tables import read_table


def run(dependencies: Dependencies) -> None:
    """Judge every claim, and write verdicts and page; DataError if results are missing."""
    params = load_params()
    own, study = Results.read(Path(), params.networks), None
    arms, correction = [_arm(params.loss_input, Path(), own)], []
    if params.loss_input == "probabilities" and is_counterpart(LOGITS_STUDY, params):
        study = Results.read(LOGITS_STUDY, params.networks)
        arms.append(_arm("logits", LOGITS_STUDY, study))
        svg = figures.svg_text(figures.draw_accuracy(arms[1].comparison))
        correction = captions.correction_figures(arms[1].comparison, svg)
    verdicts = {arm.loss_input: arm.verdicts for arm in arms}
    CLAIMS_FILE.write_text(f"{json.dumps(verdicts, indent=1)}\n", encoding="utf-8")
    found = explain(own, study, params)
    fields = [asdict(explanation) for explanation in found]
    EXPLANATIONS_FILE.write_text(f"{json.dumps(fields, indent=1)}\n", encoding="utf-8")
    comparison = arms[0].comparison
    page = Page(
        arms=arms,
        overview=captions.overview_figures(comparison),
        correction=correction,
        networks={
            str(row["network"]): captions.network_figures(row)
            for row in comparison.to_dict("records")
        },
        explanations=found,
        made_from=made_from.describe(params, dependencies),
    )
    REPORT_FILE.write_text(render(page), encoding="utf-8")


def _arm(loss_input: str, folder: Path, results: Results) -> Arm:
    return Arm(
        loss_input=loss_input,
        comparison=read_table(folder / COMPARISON_FILE),
        verdicts=to_records(claim.judge(results) for claim in CLAIMS),
    )
