"""The page's section on calibration and robustness: its tables and figures."""

import html
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_trust import TABLES, calibration, robustness
from pages import a_page

from fashionbench.analysis.calibration_and_robustness import (
    TrustTables,
    compare_calibration,
    compare_robustness,
)
from fashionbench.errors import DataError
from fashionbench.evaluation.corruptions import CORRUPTIONS
from fashionbench.page import figures
from fashionbench.page.captions import TRUST_HEADINGS, describe_trust, trust_rows
from fashionbench.page.page import render
from fashionbench.paths import network_table
from fashionbench.tables import write_table


def test_rows_have_percentages_with_half_their_intervals() -> None:
    rows = trust_rows(
        compare_calibration({"good": calibration(0.02, 0.02), "bad": calibration(-0.3)}),
        compare_robustness({"good": robustness(0.8, 0.9), "bad": robustness(0.1, lost=0)}),
    )
    assert rows == [("good", "2.0 ± 0.0", "+2.0 ± 0.0", "60.0"), ("bad", "30.0", "-30.0", "10.0")]
    assert all(len(row) == len(TRUST_HEADINGS) for row in rows)


def test_tables_are_read_below_the_folder_of_an_arm(tmp_path: Path) -> None:
    written = {"calibration": calibration(0.1), "robustness": robustness(0.8)}
    for table, content in written.items():
        path = tmp_path / network_table("good", table)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(content, path)
    found = TrustTables.read(tmp_path, ["good"])
    assert found.calibration["good"]["images"].sum() == written["calibration"]["images"].sum()
    assert len(found.robustness["good"]) == len(written["robustness"])
    with pytest.raises(DataError, match=r"bad/calibration.csv cannot be read"):
        TrustTables.read(tmp_path, ["bad"])


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


def test_each_arm_has_its_table_and_figures_on_the_page() -> None:
    arms = [describe_trust(loss_input, TABLES) for loss_input in ("probabilities", "logits")]
    text = html.unescape(render(replace(a_page(), trust=arms)))
    section = text[text.index('<section aria-labelledby="trust">') :]
    section = section[: section.index("</section>")]
    assert section.count("<figure>") == 4
    assert section.count("<table") == 2
    assert "Trained with cross-entropy of logits" in section
    assert "2.0 ± " not in section
    assert re.search(r"<th scope=\"row\">good</th><td>3.0 ± 12.7</td>", section)
    assert 'href="#trust"' in text


def test_an_arm_without_corrupted_images_has_the_rest() -> None:
    found = describe_trust("logits", replace(TABLES, robustness={}))
    assert found.headings == TRUST_HEADINGS[:3]
    assert found.rows == [
        ("good", "3.0 ± 12.7", "+3.0 ± 12.7"),
        ("bad", "30.0 ± 0.0", "+30.0 ± 0.0"),
    ]
    assert [figure.name for figure in found.figures] == ["calibration-logits"]


def test_without_tables_there_is_no_section() -> None:
    text = render(replace(a_page(), trust=[]))
    assert "Calibration and robustness" not in text
