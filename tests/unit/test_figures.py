"""The figures: their content."""

import io
from base64 import b64decode, b64encode
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from comparisons import COMPARISON, CURVES, REPLICATES, curve
from made_up_trust import TABLES
from matplotlib.figure import Figure
from pages import CONFUSION, ERRORS, PAIRS
from PIL import Image
from repositories import CLASSES

from fashionbench.analysis.calibration_and_robustness import compare_robustness
from fashionbench.claims.sensitivity import ALL, CHOICES
from fashionbench.claims.verdicts import ArmRecord, VerdictRecord
from fashionbench.evaluation.corruptions import CORRUPTIONS
from fashionbench.page import captions, figures
from fashionbench.page.multiverse import draw_multiverse
from fashionbench.page.page import Arm


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_a_single_seed_is_drawn_without_a_band() -> None:
    figure = figures.draw_network("one", curve([0.5, 0.6]))
    assert all(not axes.collections for axes in figure.axes)
    assert all(axes.collections for axes in figures.draw_network("two", CURVES["good"]).axes)


def test_a_network_that_learned_nothing_is_named_at_the_edge() -> None:
    lines = figures.draw_curves(CURVES, COMPARISON).axes[0].lines
    labels = [str(line.get_label()) for line in lines]
    assert [label for label in labels if not label.startswith("_")] == ["good"]
    assert texts(figures.draw_accuracy(COMPARISON, REPLICATES)) == ["◀ 0.090"]
    assert texts(figures.draw_costs(COMPARISON, REPLICATES)) == ["▼ 0.090", "▼ 0.090"]


def test_every_replicate_is_a_point_and_every_curve_a_line() -> None:
    (accuracy,) = figures.draw_accuracy(COMPARISON, REPLICATES).axes
    drawn = [np.atleast_1d(line.get_xdata()).tolist() for line in accuracy.lines]
    assert REPLICATES["good"] in drawn
    lowest = max(np.max(line.get_ydata()) for line in accuracy.lines)
    assert accuracy.get_ylim()[0] >= lowest + 0.1, "replicates lie on the axis"
    for axes in figures.draw_network("good", CURVES["good"]).axes:
        # Of training and validation: two seeds, each of which ends in a gap, and their mean.
        gaps = [np.isnan(np.array(line.get_ydata(), dtype=float)).sum() for line in axes.lines]
        assert gaps == [2, 0, 2, 0]


def test_the_matrix_of_pairs_has_differences_above_and_probabilities_below() -> None:
    (axes,) = figures.draw_pairs(PAIRS).axes
    shown = {text.get_position(): text.get_text() for text in axes.texts}
    assert len(shown) == 8 * 7
    # n1 against n8, in the corner: 11 points worse, significantly, and better in no pair of runs.
    assert shown[7.5, 0.5] == "-11.0*"
    assert shown[0.5, 7.5] == "100"
    assert shown[2.5, 1.5] == "+0.0"
    assert shown[1.5, 2.5] == "50"


def analysed(claim: str, **same: tuple[int, int]) -> VerdictRecord:
    return VerdictRecord.model_construct(claim=claim, multiverse={ALL: (3, 4), **same})


def test_other_analyses_are_a_row_for_each_claim_that_has_some() -> None:
    records = [
        analysed("2a", validation=(4, 4)),
        VerdictRecord.model_construct(claim="3", multiverse={}),
        analysed("9b", validation=(1, 4), test=(0, 2)),
    ]
    axes, _ = draw_multiverse(records).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["2a", "9b"]
    options = [label.get_text() for label in axes.get_xticklabels()]
    assert options[0] == ALL
    assert len(options) == 1 + sum(map(len, CHOICES.values()))
    shown: np.ma.MaskedArray = np.ma.asarray(axes.images[0].get_array())
    validation, test = options.index("validation"), options.index("test")
    assert shown[:, validation].tolist() == [1, 0.25]
    # None: the sentence is not about images of the test.
    assert shown[:, test].tolist() == [None, 0]


def test_other_analyses_are_told_without_the_picture() -> None:
    records = (analysed("1"), VerdictRecord.model_construct(claim="2a", multiverse={ALL: (4, 4)}))
    arm = Arm(
        loss_input="logits",
        comparison=COMPARISON,
        record=ArmRecord.model_construct(claims=records),
    )
    (figure,) = captions.multiverse_figures(arm)
    assert "2 claims" in figure.alt
    assert "1 verdict stands in all, that on claim 1 in 75%" in figure.alt
    unjudged = replace(arm, record=ArmRecord.model_construct(claims=()))
    assert not captions.multiverse_figures(unjudged)


def test_costs_are_read_from_the_axes() -> None:
    by_parameters, by_operations = figures.draw_costs(COMPARISON, REPLICATES).axes
    dots = [line for line in by_parameters.lines if line.get_label() == "good"]
    assert [list(np.atleast_1d(line.get_xdata())) for line in dots] == [[1234]]
    assert "operations" in by_operations.get_xlabel()


def test_the_confusion_matrix_shows_shares_of_the_actual_class() -> None:
    (axes,) = figures.draw_confusion(CONFUSION).axes
    assert sorted(texts(figures.draw_confusion(CONFUSION))) == ["10"] * 10 + ["90"] * 10
    assert axes.get_ylabel() == "actual"
    # Trousers, of row 1, are taken for the class of column 0.
    (shown,) = [text for text in axes.texts if text.get_position() == (0.5, 1.5)]
    assert shown.get_text() == "10"


def test_errors_say_what_was_taken_for_what() -> None:
    (axes,) = figures.draw_errors(ERRORS, CLASSES).axes
    titles = [text.get_text() for text in axes.texts]
    assert titles == ["Shirt\n→ T-shirt/top", "T-shirt/top\n→ Shirt", "Ankle boot\n→ Sneaker"]
    assert len(axes.images) == len(titles)


def test_no_errors_and_flat_filters_can_be_drawn() -> None:
    none = {name: array[:0] for name, array in ERRORS.items()}
    assert not any(axes.images for axes in figures.draw_errors(none, CLASSES).axes)
    flat = figures.draw_filters(np.zeros((2, 28, 28), np.float32))
    assert flat.axes[0].images[0].get_clim() == pytest.approx((-1, 1))


def test_images_of_few_colours_have_a_palette_and_lose_nothing() -> None:
    def encoded(pixels: npt.NDArray[np.uint8]) -> str:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        return b64encode(file.getvalue()).decode()

    def pixels(png: str) -> npt.NDArray[np.uint8]:
        return np.asarray(Image.open(io.BytesIO(b64decode(png))).convert("RGBA"))

    colours = np.random.default_rng(0).integers(256, size=(256, 4), dtype=np.uint8)
    colours[:, 3] = 255
    few = colours[np.random.default_rng(1).integers(256, size=(64, 64))]
    smaller = figures.with_palette(encoded(few))
    assert np.array_equal(pixels(smaller), few)
    assert len(smaller) < 0.6 * len(encoded(few))
    many = np.random.default_rng(2).integers(256, size=(64, 64, 3), dtype=np.uint8)
    assert figures.with_palette(encoded(many)) == encoded(many)


def test_a_diagram_has_the_diagonal_and_a_point_per_bin() -> None:
    figure = figures.draw_reliability(TABLES.calibration)
    assert [axes.get_title() for axes in figure.axes] == ["good: error 3.0%", "bad: error 30.0%"]
    diagonal, points = figure.axes[1].lines
    assert np.array_equal(diagonal.get_xydata(), [[0, 0], [1, 1]])
    assert np.shape(points.get_xydata()) == (TABLES.calibration["bad"]["bin"].nunique(), 2)


def test_every_corruption_has_a_panel_with_a_curve_per_network() -> None:
    figure = figures.draw_robustness(compare_robustness(TABLES.robustness))
    panels = {axes.get_title(): axes for axes in figure.axes if axes.lines}
    assert set(panels) == set(CORRUPTIONS)
    good, _ = panels["shift"].lines
    assert np.array_equal(good.get_xdata(), [0, *CORRUPTIONS["shift"].strengths])
    assert good.get_ydata() == pytest.approx([0.85, 0.75, 0.65, 0.55, 0.45])
    assert panels["shift"].get_xlabel() == CORRUPTIONS["shift"].unit
