"""The page: its text, and that it is self-contained."""

import base64
import hashlib
import html
import io
import json
import re
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from made_up import CLAIMS, NETWORKS
from made_up_trust import TABLES, calibration, robustness
from matplotlib.colors import to_rgb
from pages import OWN, a_page, an_explorer, answers
from PIL import Image
from repositories import PROJECT

from fashionbench.analysis.calibration_and_robustness import compare_calibration, compare_robustness
from fashionbench.analysis.explanations import Words
from fashionbench.analysis.results import choose, disputed
from fashionbench.claims.words import SYMBOLS
from fashionbench.page.captions import TRUST_HEADINGS, describe_trust, trust_rows
from fashionbench.page.explorer import COLUMNS, sprite
from fashionbench.page.page import Figure, inline, render

COMMITTED = PROJECT / "metrics/report.html"
MOST_WORDS = 3_200
LARGEST = 4_000_000
"""Bytes; what a phone loads in a few seconds."""


def test_every_verdict_stands_beside_its_effect_and_the_correction_says_what_changed() -> None:
    page = html.unescape(render(a_page()))
    for claim in CLAIMS:
        assert f"{claim.number}. {claim.words}" in page
    page = re.sub(r"\s+", " ", page)
    (row,) = re.findall("<tr><th[^>]*>1. mean validation accuracy of the last 10 .*?</tr>", page)
    assert "of n1_mlp: between 86 and 88%</th>" in row
    # Once for each arm.
    assert row.count("<td>85.00 [84.86, 85.14]</td><td>0 of 5</td>") == len(a_page().arms)
    assert f"{len(CLAIMS) - 1} of {len(CLAIMS)} sentences have the same verdict" in page


def test_the_first_screen_says_what_was_compared_who_won_and_which_sentences_hold() -> None:
    page = a_page()
    first, _, _ = html.unescape(render(page)).partition("<main>")
    own = page.arms[0]
    best = own.comparison.sort_values("val_accuracy")["network"].iloc[-1]
    assert f"<strong>{best}, the best on validation images, gets " in first
    for name, described in page.described.items():
        assert f'<th scope="row">{name}</th><td>{described}</td>' in first
    rows = re.findall(r'<tr><th scope="row">(\d+\w?\. .*?)</th>\n(.*?)</tr>', first, flags=re.S)
    assert [sentence for sentence, _ in rows] == [f"{one.number}. {one.words}" for one in CLAIMS]
    assert {cells.count("<td>") for _, cells in rows} == {len(page.arms)}
    for verdict, symbol in SYMBOLS.items():
        assert f"{symbol} {verdict}: " in re.sub(r"\s+", " ", first)
    assert "Would one run have misled?" in first


def test_there_is_no_word_of_a_counterpart_or_tables_that_are_missing() -> None:
    page = a_page()
    alone = render(replace(page, arms=page.arms[:1], correction=[], explanations=[], trust=[]))
    assert 'id="correction"' not in alone
    assert "#correction" not in alone
    assert "Explanations" not in alone
    assert "Calibration and robustness" not in alone


def test_what_comes_from_parameters_is_escaped() -> None:
    evil = "<script>alert('1')</script>"
    page = replace(
        a_page(),
        made_from={evil: {evil: evil}},
        networks={evil: [Figure(name="x", svg="<svg></svg>", caption=evil, alt=f'"{evil}')]},
        explanations=[Words(title=evil, text=evil, numbers={evil: evil})],
    )
    text = render(page)
    assert evil not in text
    assert len(re.findall("<script[^>]*>", text)) == 3
    assert text.count("&lt;script&gt;") >= 8
    assert 'aria-label="&#34;&lt;script' in text


@pytest.mark.parametrize("kind", ["made up", "committed"])
def test_the_page_is_whole_in_itself(kind: str) -> None:
    text = COMMITTED.read_text() if kind == "committed" else render(a_page())
    markup = re.sub("(<script[^>]*>).*?</script>", r"\1", text, flags=re.S)
    ids = re.findall(r'\sid="([^"]*)"', markup)
    assert len(set(ids)) == len(ids)
    references = set(re.findall(r'\s(?:xlink:href|href|src)="([^"]+)"', markup))
    assert [to for to in references if not to.startswith(("#", "data:"))] == []
    assert {to[1:] for to in references if to.startswith("#")} <= set(ids)
    levels = [int(level) for level in re.findall("<h([1-6])", markup)]
    assert levels[0] == 1
    assert all(deeper - level <= 1 for level, deeper in pairwise(levels))
    assert len(text.encode()) < LARGEST


def test_the_page_is_short_without_its_studies() -> None:
    text = COMMITTED.read_text(encoding="utf-8").partition('<section aria-labelledby="studies">')[0]
    text = re.sub(r"<(script|style)[^>]*>.*?</\1>|<[^>]*>", " ", text, flags=re.S)
    assert len(text.split()) < MOST_WORDS


def contrast(*colours: str) -> float:
    """Return the contrast of two colours as of WCAG 2.2."""
    parts = np.array([to_rgb(colour) for colour in colours])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    darker, brighter = sorted(linear @ (0.2126, 0.7152, 0.0722))
    return float((brighter + 0.05) / (darker + 0.05))


def test_letters_have_the_contrast_that_aa_asks_for_in_each_scheme() -> None:
    text = render(a_page())
    schemes = re.findall(r":root \{(.*?)\}", text, flags=re.S)
    assert len(schemes) == 3
    for scheme in schemes:
        colours = dict(re.findall(r"--([\w-]+): (#\w+)", scheme))
        pairs = [*product(("ink", "quiet", "link"), ("paper", "card"))]
        pairs += [(name, f"{name}-back") for name in ("yes", "no", "maybe", "void")]
        for letters, back in pairs:
            assert contrast(colours[letters], colours[back]) >= 4.5, (letters, back)


def test_rows_have_percentages_with_half_their_intervals() -> None:
    rows = trust_rows(
        compare_calibration({"good": calibration(0.02, 0.02), "bad": calibration(-0.3)}),
        compare_robustness({"good": robustness(0.8, 0.9), "bad": robustness(0.1, lost=0)}),
    )
    assert rows == [("good", "2.0 ± 0.0", "+2.0 ± 0.0", "60.0"), ("bad", "30.0", "-30.0", "10.0")]
    assert all(len(row) == len(TRUST_HEADINGS) for row in rows)


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


def test_only_the_scripts_of_the_page_are_allowed() -> None:
    text = render(a_page())
    (policy,) = re.findall('http-equiv="Content-Security-Policy" content="(.*?)"', text)
    scripts = re.findall("<script(?: type=.module.)?>(.*?)</script>", text, flags=re.S)
    digests = [hashlib.sha256(script.encode()).digest() for script in scripts]
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    assert policy == (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src " + allowed
    )


def test_figures_leave_out_what_draws_nothing() -> None:
    svg = (
        '<?xml version="1.0"?>\n<svg width="9pt" viewBox="0 0 9 9">\n'
        " <metadata>\n  <made>today</made>\n </metadata>\n <!-- line2d_1 -->\n"
        '  <use xlink:href="#m0" x="-12.34567" y="30" transform="scale(0.0625 -0.015625)"/>\n'
        '  <g id="line2d_1">\n   <path d="M 0.001 1.5"/>\n  </g>\n</svg>\n'
    )
    figure = Figure(name="a figure", svg=svg, caption="", alt="a line")
    assert inline(figure) == (
        '<svg viewBox="0 0 9 9" role="img" aria-label="a line">\n'
        '<use href="#a-figure-m0" x="-12.34" y="30" transform="scale(0.0625 -0.015625)"/>\n'
        '<g>\n<path d="M 0.00 1.5"/>\n</g>\n</svg>\n'
    )


def test_every_letter_of_the_figures_is_defined_once() -> None:
    text = render(a_page())
    used = set(re.findall('href="#(DejaVu[^"]*)"', text))
    defined = re.findall('<path id="(DejaVu[^"]*)"', text)
    assert sorted(used) == sorted(defined)


def test_the_data_hold_every_replicate() -> None:
    data = json.loads(json.dumps(an_explorer().data))
    own = data["arms"]["probabilities"]
    assert (
        own["scores"]["n8_conv"]["val"]["accuracy"]
        == OWN.score("n8_conv", "val", "accuracy").tolist()
    )
    assert np.shape(own["curves"]["n1_mlp"]["val_loss"]) == (5, 12)
    # Of seven networks: validation and test accuracy of each pair.
    assert len(data["arms"]["logits"]["pairs"]) == 2 * 21
    assert data["chosen"]["seeds"] == choose(OWN) == {name: 4 for name in NETWORKS} | {"n6_l1": 0}


def test_thumbnails_stand_side_by_side_in_sixteen_greys() -> None:
    images = np.random.default_rng(0).integers(0, 256, (COLUMNS + 2, 28, 28)).astype(np.uint8)
    picture = base64.b64decode(sprite(images).removeprefix("data:image/png;base64,"))
    grey = np.asarray(Image.open(io.BytesIO(picture)).convert("L"), np.int64)
    assert grey.shape == (2 * 28, COLUMNS * 28)
    assert np.abs(grey[28:, 28:56] - images[COLUMNS + 1]).max() < 16
    assert grey[28:, 2 * 28 :].max() == 0


def test_disputed_images_leave_out_networks_that_learned_nothing() -> None:
    chosen = answers(OWN).chosen
    # n6_l1 is wrong on every seventh image, which is no dispute by itself.
    assert 7 not in disputed(chosen, OWN, 60)
    assert {2, 3, 4, 5} <= set(disputed(chosen, OWN, 60).tolist())
    assert disputed(chosen, OWN, 2).tolist() == [2, 3]
