"""Stage ``report``: judge the report's claims, and write the page with all results."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from fashionbench.analysis.calibration_and_robustness import TrustTables
from fashionbench.analysis.explanations import explain_results, in_words, write_explanations
from fashionbench.analysis.pairs import compare_pairs, write_pairs
from fashionbench.analysis.result_files import COMPARISON_FILE, PAGE_FILE
from fashionbench.analysis.results import Results, disputed, read_chosen
from fashionbench.claims.judging import judge
from fashionbench.claims.language import datasets_of_claims, registration
from fashionbench.claims.quantities import Claim, load_claims
from fashionbench.claims.sensitivity import with_multiverse
from fashionbench.claims.verdicts import write_verdicts
from fashionbench.claims.words import why_not_judged
from fashionbench.data.splits import load_split
from fashionbench.networks import description
from fashionbench.page import captions
from fashionbench.page.explorer import MOST_THUMBNAILS, Answers, explore
from fashionbench.page.page import Arm, Page, describe_origin, render, render_section
from fashionbench.params import load_params
from fashionbench.paths import split_file
from fashionbench.pipeline.rebuilds import read_receipts, summarise
from fashionbench.studies.published import COUNTERPART, read_counterpart, read_published
from fashionbench.studies.records import StudyRecord
from fashionbench.tables import read_table

_MOST_FIGURES = 3
"""Figures of a study on the project's page, which stays small; the study's own page has all."""


def run() -> None:
    """Write verdicts, pairs, explanations and page; DataError if a table of results is missing."""
    params = load_params()
    about = datasets_of_claims()
    is_judged = params.dataset.name in about
    own = Results.read(Path(), params.networks, params.loss_input)
    own = replace(own, images=params.val_size)
    arms, pairs = [_arm(own, load_claims() if is_judged else [])], [compare_pairs(own)]
    trust = [captions.describe_trust(params.loss_input, TrustTables.read(Path(), params.networks))]
    correction, results = [], [own]
    has_counterpart = is_judged and params.loss_input == "probabilities"
    logits = read_counterpart(params) if has_counterpart else None
    if logits:
        results.append(logits.results)
        trust.append(captions.describe_trust("logits", logits.trust))
        arms.append(Arm(loss_input="logits", comparison=logits.comparison, record=logits.record))
        pairs.append(logits.pairs)
        correction = captions.correction_figures(arms[1], pairs[1], logits.results.scores)
    write_verdicts({arm.loss_input: arm.record for arm in arms})
    write_pairs(pd.concat(pairs))
    explanations = []
    if is_judged:
        explanations = explain_results(own, logits.results if logits else None, params)
    write_explanations(explanations)
    comparison = arms[0].comparison
    page = Page(
        title=f"Networks on {params.dataset.title}, compared",
        arms=arms,
        described={name: description.in_words(params.network(name)) for name in params.networks},
        first=captions.first_figures(arms[0]),
        overview=[
            *captions.overview_figures(comparison),
            *captions.pairs_figures(arms[0], pairs[0]),
            *captions.multiverse_figures(arms[0]),
        ],
        correction=correction,
        networks={
            str(row["network"]): captions.network_figures(row)
            for row in comparison.to_dict("records")
        },
        explanations=[in_words(explanation) for explanation in explanations],
        trust=trust,
        made_from={
            "Remade to the last bit, by the receipts in rebuilds/": summarise(read_receipts()),
            **describe_origin(params),
        },
        registered=registration(
            [seed for name in params.networks for seed in params.of(name).seeds]
        ),
        explorer=explore(results, comparison, pd.concat(pairs), _answers(own)),
        studies=[
            render_section(study.name, _abridged(study.record), study.figures)
            for study in (read_published() if is_judged else ())
            if study.name != COUNTERPART  # It is the second arm.
        ],
        not_judged="" if is_judged else why_not_judged(about),
    )
    PAGE_FILE.write_text(render(page), encoding="utf-8")


def _abridged(study: StudyRecord) -> StudyRecord:
    return study.model_copy(update={"figures": study.figures[:_MOST_FIGURES]})


def _answers(results: Results) -> Answers | None:
    """Read what the chosen replicates answer, and the images on which they disagree."""
    chosen = read_chosen(Path(), results)
    if chosen is None:
        return None
    indices = disputed(chosen, results, MOST_THUMBNAILS)
    images = load_split(split_file("test")).images[indices]
    return Answers(loss_input=results.loss_input, chosen=chosen, indices=indices, images=images)


def _arm(results: Results, claims: Sequence[Claim]) -> Arm:
    return Arm(
        loss_input=results.loss_input,
        comparison=read_table(COMPARISON_FILE),
        record=with_multiverse(judge(claims, results), results) if claims else judge([], results),
    )
