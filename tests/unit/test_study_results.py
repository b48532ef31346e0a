"""What is made of a study's results: effects, figures, its section of the page, its copy."""

import html
import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from made_up import CLAIMS
from made_up import results as of_report
from made_up_studies import SEEDS, design_of, made_up
from trainings import network, train_replicate

from fashionbench.analysis.results import Results
from fashionbench.claims.judging import judge
from fashionbench.claims.language import Verdict
from fashionbench.claims.verdicts import ArmRecord
from fashionbench.data.examples import Examples
from fashionbench.page import figures, study_figures
from fashionbench.page.page import render_section, render_study
from fashionbench.page.study_figures import figures_of
from fashionbench.params import Hyperparameters, LossInput, Params
from fashionbench.studies.design import Design
from fashionbench.studies.outcomes import effects_of
from fashionbench.studies.records import (
    FigureRecord,
    StudyArmRecord,
    StudyRecord,
    describe_effect,
    describe_more_seeds,
    summarise,
)
from fashionbench.training.epoch import Replicate

DOSES = {0.1: 0.84, 0.3: 0.88, 0.5: 0.85}
TRAIN = {0.1: 0.86, 0.3: 0.86, 0.5: 0.80}
CROSSED = {"batch_norm": [False, True], "dropout": ["none", "dropout_prob"]}
GAIN = {
    "value": "accuracy",
    "of": {"dropout_prob": [0.1, 0.3]},
    "minus": "n4_dropout",
    "some": True,
    "above": 0.01,
}
CROSSING = {"value": "excess", "of": {"dropout_prob": "all"}, "minus": "previous", "above": 0}


def dose_design(params: Params, **declared: object) -> Design:
    claims = [
        {"number": 18, "words": "Some <dose> helps", "conditions": [GAIN], "why": "Because."},
        {"number": 19, "words": "They cross", "conditions": [CROSSING], "why": "Because."},
    ]
    factors = {"dropout_prob": list(DOSES)}
    return design_of(params, factors=factors, claims=claims, **declared)


def dose_results(design: Design) -> Results:
    labels = design.values("dropout_prob")
    val, train = (
        {labels[value]: accuracy for value, accuracy in of.items()} for of in (DOSES, TRAIN)
    )
    return made_up(val, train)


def record_of(
    arms: dict[LossInput, StudyArmRecord], figures: tuple[FigureRecord, ...] = (), points: int = 1
) -> StudyRecord:
    return StudyRecord(
        title="Made <up>",
        question="Why?",
        points=points,
        replicates=SEEDS * points,
        arms=arms,
        figures=figures,
    )


def test_it_is_said_from_which_value_on_validation_ends_above(params: Params) -> None:
    design = dose_design(params)
    (effect,) = effects_of(design, dose_results(design))
    # From -0.02 at 0.1 to +0.02 at 0.3.
    assert effect.mean == pytest.approx(0.2)
    assert len(effect.values) == SEEDS
    assert describe_effect(effect) == "0.2 [0.193, 0.207] (5 seeds)"
    flat = made_up(dict.fromkeys(design.values("dropout_prob").values(), 0.85))
    assert effects_of(design, flat) == ()


def test_main_effects_and_interaction_of_two_switches(params: Params) -> None:
    design = design_of(params, factors=CROSSED, crossed=True, networks={"n2_mlp": {}})
    val = {"n2_mlp": 0.80, "n2_mlp_dropout": 0.81, "n2_mlp_batch_norm": 0.84}
    results = made_up(val | {"n2_mlp_batch_norm_dropout": 0.88})
    effects = {effect.name: effect.mean for effect in effects_of(design, results)}
    assert effects == pytest.approx(
        {
            "batch_norm alone": 0.04,
            "dropout alone": 0.01,
            "both together": 0.08,
            "main effect of batch_norm": (0.04 + 0.07) / 2,
            "main effect of dropout": (0.01 + 0.04) / 2,
            "interaction": 0.03,
        }
    )
    (figure,) = figures_of(design, {"probabilities": results}, pd.DataFrame())
    (axes,) = figure.figure.axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == list(effects)
    assert "interaction 3.00" in figure.record.alt


def test_every_replicate_is_a_point_of_the_curve_and_the_reports_value_is_marked(
    params: Params,
) -> None:
    design = dose_design(params)
    (drawn,) = figures_of(design, {"probabilities": dose_results(design)}, pd.DataFrame())
    (axes,) = drawn.figure.axes
    points = [line for line in axes.lines if line.get_marker() == "o"]
    assert [np.size(line.get_xdata()) for line in points] == [SEEDS] * len(DOSES)
    marked = [line for line in axes.lines if line.get_label() == "report"]
    assert np.unique(np.asarray(marked[0].get_xdata())).tolist() == [0.5]
    assert len(axes.collections) == 1  # The band.
    assert "0.3: 88.0%" in drawn.record.alt


@pytest.mark.parametrize(
    ("names", "scale", "places"),
    [
        (["0.0001", "0.01"], "log", [0.0001, 0.01]),
        (["16", "128", "512"], "log", [16.0, 128.0, 512.0]),
        (["0", "0.5"], "linear", [0.0, 0.5]),
        (["adam", "sgd"], "linear", [0.0, 1.0]),
    ],
)
def test_the_axis_fits_the_values(names: list[str], scale: str, places: list[float]) -> None:
    values = {name: [0.8, 0.9] for name in names}
    figure = study_figures.draw_doses("factor", {"logits": values}, names[0])
    (axes,) = figure.axes
    assert axes.get_xscale() == scale
    (line,) = [line for line in axes.lines if line.get_label() == "logits"]
    assert np.asarray(line.get_xdata()).tolist() == places


def test_labels_of_a_short_logarithmic_axis_are_the_values() -> None:
    values = {name: [0.8, 0.9] for name in ("16", "32", "512")}
    (axes,) = study_figures.draw_doses("batch_size", {"logits": values}, "32").axes
    axes.figure.canvas.draw()
    labels = [tick.get_text() for tick in axes.get_xticklabels(which="both")]
    assert labels == ["16", "32", "512"]


def test_figures_of_epochs_mark_what_is_read_and_where_the_report_ends(params: Params) -> None:
    design = design_of(params, read_at=[1, 3], networks={"n1_mlp": {}})
    results = made_up({"n1_mlp": lambda epoch: 0.8 + 0.01 * epoch}, epochs=(1, 2, 3))
    (drawn,) = figures_of(design, {"logits": results}, pd.DataFrame())
    (axes,) = drawn.figure.axes
    points = [np.asarray(line.get_xdata()) for line in axes.lines if line.get_marker() == "o"]
    assert [np.unique(x).tolist() for x in points] == [[1], [3]]
    assert "epochs 1, 3" in drawn.record.caption
    assert figures.svg_text(drawn.figure) == figures.svg_text(
        study_figures.draw_epochs(results.curves, [1, 3], params.num_epochs)
    )


def test_a_section_has_claims_effects_and_figures_and_escapes_text(params: Params) -> None:
    design = dose_design(params, losses=["probabilities", "logits"])
    results = dose_results(design)
    claims, effects = judge(design.claims(), results), effects_of(design, results)
    arm = StudyArmRecord(claims=claims, effects=effects, report=())
    drawn = figures_of(design, {"probabilities": results, "logits": results}, pd.DataFrame())
    shown = tuple(figure.record for figure in drawn)
    record = record_of({"probabilities": arm, "logits": arm}, shown, len(design.points))
    svg = {figure.record.name: figures.svg_text(figure.figure) for figure in drawn}
    section = str(render_section("doses", record, svg, is_whole=True))
    assert "Made &lt;up&gt;" in section
    # As a sentence, and with its evidence.
    assert section.count("18. Some &lt;dose&gt; helps") == 2
    assert section.count('class="verdict reproduced"') == 2 * 2 * 2
    assert html.unescape(section).count("from which on validation ends above") == 2
    assert ' id="study-doses-dropout_prob-' in section
    short = html.unescape(render_section("doses", record, svg))
    assert short.count("18. Some <dose> helps") == 1
    assert short.count('class="verdict reproduced"') == 2 * 2
    assert "ends above" not in short
    assert "claimed" not in short
    page = render_study(record, svg, {"Parameters": {"seeds": "5"}})
    assert "<title>fashionbench: Made &lt;up&gt;</title>" in page
    levels = [int(level) for level in re.findall(r"<h(\d)", page)]
    assert all(below - above <= 1 for above, below in pairwise(levels))
    assert "http" not in page.replace("http://www.w3.org", "").replace("http-equiv", "")
    assert summarise(record) == "18 and 19 reproduced (with either loss)"


@pytest.mark.parametrize(("seeds", "words"), [(3, "3 seeds"), (1, "1 seed")])
def test_the_reports_claims_stand_side_by_side_by_the_number_of_seeds(
    seeds: int, words: str
) -> None:
    arm = StudyArmRecord(
        claims=judge([], of_report()),
        effects=(),
        report=(judge(CLAIMS, of_report(seeds=seeds)), judge(CLAIMS, of_report())),
    )
    record = record_of({"probabilities": arm})
    section = render_section("seeds", record, {}, is_whole=True)
    assert f"Probabilities, {words}<" in section
    assert "1 network, 5 trainings." in section
    assert not re.search(r"\b1 \w+s\b", re.sub("<[^>]*>", " ", section))
    assert "Probabilities, 5 seeds" in section
    assert f"Trained on probabilities, {describe_more_seeds(*arm.report)}" in section
    assert section.count('class="verdict') == 2 * len(CLAIMS)
    assert summarise(record).endswith("(probabilities)")


def test_more_seeds_decide_claims_and_overturn_verdicts() -> None:
    many = judge(CLAIMS, of_report())

    def few(verdicts: Mapping[str, Verdict]) -> ArmRecord:
        claims = tuple(
            one.model_copy(update={"verdict": verdicts.get(one.claim, one.verdict)})
            for one in many.claims
        )
        return many.model_copy(update={"seeds": 2, "claims": claims})

    assert describe_more_seeds(few({}), many) == (
        "5 seeds decide none of the claims that 2 leave open, and overturn no verdict."
    )
    opened = few({"2a": "inconclusive", "8a": "inconclusive", "4": "contradicted"})
    assert describe_more_seeds(opened, many) == (
        "5 seeds decide claims 2a and 8a, which 2 leave open, and overturn the verdict on claim 4."
    )
    fewer = tuple(
        one.model_copy(update={"n": 3}) if one.claim == "8a" else one for one in many.claims
    )
    assert describe_more_seeds(opened, many.model_copy(update={"claims": fewer})) == (
        "5 seeds decide claims 2a and 8a (3 seeds), which 2 leave open, and overturn the verdict "
        "on claim 4."
    )


def test_the_first_epochs_of_a_longer_training_are_those_of_the_shorter(
    hyperparameters: Hyperparameters, train_examples: Examples
) -> None:
    """The study of epochs goes on where the project's trainings end, to the last bit."""
    curves = {}
    for num_epochs in (2, 4):
        replicate = Replicate(
            network=network(dropout_prob=0.3, batch_norm=True),
            hyperparameters=replace(hyperparameters, num_epochs=num_epochs),
            seed=1,
        )
        curves[num_epochs], _ = train_replicate(replicate, train_examples, train_examples)
    assert curves[4][:2] == curves[2]
    assert len(curves[4]) == 4
