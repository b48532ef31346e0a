"""Renders results and verdicts as one self-contained HTML page.

The same arguments give the same bytes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import pandas as pd
from markupsafe import Markup

from fashionbench.analysis import verdict_words
from fashionbench.analysis.comparison_table import HEADINGS, table_rows
from fashionbench.analysis.explanation_words import Words
from fashionbench.analysis.verdict_records import ArmRecord, count_verdicts
from fashionbench.page.figures import INK, PAPER

TEMPLATE = Path(__file__).with_name("page.html.jinja")


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
class Page:
    """The content of the page.

    ``arms`` are the pipeline's own and, if there is one, its counterpart, whose figures are
    ``correction``. ``first`` are on the first screen. ``networks`` are the figures of each
    network by its name, ``made_from`` tables of names and values by their headings. ``studies`` are
    sections of HTML.
    """

    arms: Sequence[Arm]
    first: Sequence[Figure]
    overview: Sequence[Figure]
    correction: Sequence[Figure]
    networks: Mapping[str, Sequence[Figure]]
    explanations: Sequence[Words]
    made_from: Mapping[str, Mapping[str, str]]
    studies: Sequence[Markup] = ()


def render(page: Page) -> str:
    """Return the page as HTML. All text is escaped; the figures' SVG is not."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        page=page,
        headings=HEADINGS,
        table_rows=table_rows,
        inline=inline,
        words=verdict_words,
        symbols=verdict_words.SYMBOLS,
        count_verdicts=count_verdicts,
    )


def inline(figure: Figure) -> Markup:
    """Prepare a figure for inlining: ids unique within the page, and the colour of the text."""
    body = figure.svg[figure.svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.S)
    prefix = re.sub(r"\W", "-", figure.name)
    body = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{prefix}-", body)
    body = body.replace(INK, "currentColor").replace(PAPER, "transparent")
    opening = re.sub(r' (width|height)="[^"]*"', "", body[: body.index(">")])
    label = Markup(' role="img" aria-label="{}"').format(figure.alt)
    return Markup(opening) + label + Markup(body[body.index(">") :])
