"""Renders results and verdicts as one self-contained HTML page.

The same arguments give the same bytes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from fashionbench.analysis import verdict_words
from fashionbench.analysis.comparison_table import HEADINGS, table_rows
from fashionbench.analysis.explanation_words import Words
from fashionbench.analysis.verdict_records import ArmRecord, count_verdicts
from fashionbench.page import scripts
from fashionbench.page.explorer import Explorer, colour
from fashionbench.page.figures import INK, PAPER
from fashionbench.page.score_tables import Table
from fashionbench.page.templating import template

GLYPHS = "●■◆✚▲▼▶◀"
"""The shapes of the networks' points, as scripts/figures.js draws them."""
_FRACTION = re.compile(r"(scale\([^)]*\)|(?<![\w.])-?\d+\.\d\d)\d*")
_LETTER = re.compile(r'<path id="(DejaVu[^"]*)".*?/>\n?', flags=re.S)


@dataclass(frozen=True, kw_only=True)
class Arm:
    """All networks trained with one value of loss_input, and the verdicts on all claims."""

    loss_input: str
    comparison: pd.DataFrame
    record: ArmRecord


@dataclass(frozen=True, kw_only=True)
class Figure:
    """An SVG figure, its caption, and its alternative text for screen readers."""

    name: str
    svg: str
    caption: str
    alt: str


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Calibration and robustness of all networks, trained on ``loss_input``: a table, figures."""

    loss_input: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    figures: Sequence[Figure]


@dataclass(frozen=True, kw_only=True)
class Page:
    """The content of the page.

    ``arms`` are the pipeline's own and, if there is one, its counterpart, whose figures are
    ``correction``. ``first`` are on the first screen. ``trust`` is of the same arms. ``networks``
    are the figures of each network by its name, ``made_from`` tables of names and values by their
    headings. ``explorer`` is what scripts show; without scripts the page is complete, and the same
    but for that.
    """

    arms: Sequence[Arm]
    first: Sequence[Figure]
    overview: Sequence[Figure]
    correction: Sequence[Figure]
    networks: Mapping[str, Sequence[Figure]]
    explanations: Sequence[Words]
    trust: Sequence[Trust]
    made_from: Mapping[str, Mapping[str, str]]
    classes: Table
    pairs: Table
    explorer: Explorer
    studies: Sequence[Markup] = ()


def render(page: Page) -> str:
    """Return the page as HTML. All text is escaped; the figures' SVG is not."""
    library, own_script = scripts.library(), scripts.own_script()
    html = template("page.html.jinja").render(
        page=page,
        headings=HEADINGS,
        table_rows=table_rows,
        inline=inline,
        words=verdict_words,
        symbols=verdict_words.SYMBOLS,
        count_verdicts=count_verdicts,
        library=library,
        own_script=own_script,
        policy=f"{scripts.allowed(library)} {scripts.allowed(own_script)}",
        data=scripts.data_block(page.explorer.data),
        colour=colour,
        glyph=lambda index: GLYPHS[index % len(GLYPHS)],
    )
    return _share_letters(html)


def inline(figure: Figure) -> Markup:
    """Prepare a figure for inlining: ids unique within the page, and the colour of the text."""
    body = figure.svg[figure.svg.index("<svg") :]
    body = _lean(body)
    prefix = re.sub(r"\W", "-", figure.name)
    # Letters are the same in all figures, and keep their ids.
    body = re.sub(r'( id="|href="#|url\(#)(?!DejaVu)', rf"\g<1>{prefix}-", body)
    body = body.replace(INK, "currentColor").replace(PAPER, "transparent")
    opening = re.sub(r' (width|height)="[^"]*"', "", body[: body.index(">")])
    label = Markup(' role="img" aria-label="{}"').format(figure.alt)
    return Markup(opening) + label + Markup(body[body.index(">") :])


def _lean(svg: str) -> str:
    """Leave out what draws nothing.

    That is metadata, comments, indentation, names of groups and less than 0.01 of a unit.
    """
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.S)
    svg = re.sub(r"\n\s*", "\n", svg).replace("xlink:href", "href")
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    return _FRACTION.sub(r"\1", svg)


def _share_letters(html: str) -> str:
    """Define each letter of the figures once, at the top: a fifth of the page repeated them."""
    letters = dict.fromkeys(found[0].strip() for found in _LETTER.finditer(html))
    shared = "\n".join(letters)
    definitions = f'<svg class="hidden" aria-hidden="true"><defs>\n{shared}\n</defs></svg>'
    return _LETTER.sub("", html).replace("<body>", f"<body>\n{definitions}", 1)
