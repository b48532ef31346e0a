"""Stage ``report``: judge the report's claims, and write the page with all results."""

from pathlib import Path

from fashionbench.analysis.claims import CLAIMS
from fashionbench.analysis.explanations import explain_results, write_explanations
from fashionbench.analysis.files import COMPARISON_FILE, PAGE_FILE
from fashionbench.analysis.studies import LOGITS_STUDY, is_counterpart
from fashionbench.analysis.verdict_records import to_records, write_verdicts
from fashionbench.analysis.verdicts import Results
from fashionbench.page import captions, figures, made_from
from fashionbench.page.page import Arm, Page, render
from fashionbench.params import load_params
from fashionbench.tables import read_table


def run() -> None:
    """Write verdicts, explanations and page; DataError if a table of results is missing."""
    params = load_params()
    own, logits = Results.read(Path(), params.networks), None
    arms, correction = [_arm(params.loss_input, Path(), own)], []
    if params.loss_input == "probabilities" and is_counterpart(LOGITS_STUDY, params):
        logits = Results.read(LOGITS_STUDY, params.networks)
        arms.append(_arm("logits", LOGITS_STUDY, logits))
        svg = figures.svg_text(figures.draw_accuracy(arms[1].comparison))
        correction = captions.correction_figures(arms[1].comparison, svg)
    write_verdicts({arm.loss_input: arm.verdicts for arm in arms})
    explanations = explain_results(own, logits, params)
    write_explanations(explanations)
    comparison = arms[0].comparison
    page = Page(
        arms=arms,
        overview=captions.overview_figures(comparison),
        correction=correction,
        networks={
            str(row["network"]): captions.network_figures(row)
            for row in comparison.to_dict("records")
        },
        explanations=explanations,
        made_from=made_from.describe(params),
    )
    PAGE_FILE.write_text(render(page), encoding="utf-8")


def _arm(loss_input: str, folder: Path, results: Results) -> Arm:
    return Arm(
        loss_input=loss_input,
        comparison=read_table(folder / COMPARISON_FILE),
        verdicts=to_records(claim.judge(results) for claim in CLAIMS),
    )
