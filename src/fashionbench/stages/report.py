"""Stage ``report``: judge the report's claims, and write the page with all results."""

from pathlib import Path

import pandas as pd

from fashionbench.analysis.chosen import disputed, read_chosen
from fashionbench.analysis.claims import CLAIMS
from fashionbench.analysis.explanation_words import in_words
from fashionbench.analysis.explanations import explain_results, write_explanations
from fashionbench.analysis.files import COMPARISON_FILE, PAGE_FILE
from fashionbench.analysis.pairs import compare_pairs, write_pairs
from fashionbench.analysis.results import Results
from fashionbench.analysis.studies import LOGITS_STUDY, is_counterpart
from fashionbench.analysis.trust import TrustTables
from fashionbench.analysis.verdict_records import write_verdicts
from fashionbench.analysis.verdicts import judge
from fashionbench.data.splits import load_split
from fashionbench.page import captions, made_from
from fashionbench.page.explorer import MOST_THUMBNAILS, Answers, explore
from fashionbench.page.page import Arm, Page, render
from fashionbench.page.score_tables import classes_table, pairs_table
from fashionbench.page.trust import describe_trust
from fashionbench.params import load_params
from fashionbench.paths import split_file
from fashionbench.tables import read_table


def run() -> None:
    """Write verdicts, pairs, explanations and page; DataError if a table of results is missing."""
    params = load_params()
    own, logits = Results.read(Path(), params.networks, params.loss_input), None
    arms, pairs = [_arm(Path(), own)], [compare_pairs(own)]
    correction, results, folders = [], [own], {params.loss_input: Path()}
    if params.loss_input == "probabilities" and is_counterpart(LOGITS_STUDY, params):
        logits = Results.read(LOGITS_STUDY, params.networks, "logits")
        arms.append(_arm(LOGITS_STUDY, logits))
        folders["logits"] = LOGITS_STUDY
        pairs.append(compare_pairs(logits))
        results.append(logits)
        correction = captions.correction_figures(arms[1], pairs[1], logits.scores)
    write_verdicts({arm.loss_input: arm.record for arm in arms})
    write_pairs(pd.concat(pairs))
    explanations = explain_results(own, logits, params)
    write_explanations(explanations)
    comparison = arms[0].comparison
    page = Page(
        arms=arms,
        first=captions.first_figures(arms[0]),
        overview=[
            *captions.overview_figures(comparison),
            *captions.pairs_figures(arms[0], pairs[0]),
        ],
        correction=correction,
        networks={
            str(row["network"]): captions.network_figures(row)
            for row in comparison.to_dict("records")
        },
        explanations=[in_words(explanation) for explanation in explanations],
        trust=[
            describe_trust(loss_input, TrustTables.read(folder, params.networks))
            for loss_input, folder in folders.items()
        ],
        made_from=made_from.describe(params),
        classes=classes_table(own),
        pairs=pairs_table(pairs[0]),
        explorer=explore(results, comparison, pd.concat(pairs), _answers(own)),
    )
    PAGE_FILE.write_text(render(page), encoding="utf-8")


def _answers(results: Results) -> Answers | None:
    """Read what the chosen replicates answer, and the images on which they disagree."""
    chosen = read_chosen(Path(), results)
    if chosen is None:
        return None
    indices = disputed(chosen, results, MOST_THUMBNAILS)
    images = load_split(split_file("test")).images[indices]
    return Answers(loss_input=results.loss_input, chosen=chosen, indices=indices, images=images)


def _arm(folder: Path, results: Results) -> Arm:
    return Arm(
        loss_input=results.loss_input,
        comparison=read_table(folder / COMPARISON_FILE),
        record=judge(CLAIMS, results),
    )
