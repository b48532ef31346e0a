"""Results and verdicts as a page to read: one HTML file that needs nothing else.

Its bytes depend on nothing but what it is given.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import pandas as pd
from markupsafe import Markup

from fashionbench.analysis import verdict_table
from fashionbench.analysis.comparison_table import HEADINGS, rows
from fashionbench.analysis.explanations import Explanation
from fashionbench.analysis.verdict_table import VerdictRecord
from fashionbench.page.figures import INK, PAPER

TEMPLATE = Path(__file__).with_name("page.html.jinja")


@dataclass(frozen=True, kw_only=True)
class Arm:
    """All networks trained with one value of loss_input, and the verdicts on every claim."""

    loss_input: str
    comparison: pd.DataFrame
    verdicts: Sequence[VerdictRecord]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """An SVG file's content, what it shows in a line below it, and its numbers for a listener."""

    name: str
    svg: str
    caption: str
    alt: str


@dataclass(frozen=True, kw_only=True)
class Page:
    """All that the page shows.

    ``arms`` are the pipeline's own, and its counterpart if there is one. ``networks`` has the
    figures of each network by its name, and ``made_from`` tables of names and values by their
    headings.
    """

    arms: Sequence[Arm]
    overview: Sequence[Figure]
    correction: Sequence[Figure]
    networks: Mapping[str, Sequence[Figure]]
    explanations: Sequence[Explanation]
    made_from: Mapping[str, Mapping[str, str]]


def render(page: Page) -> str:
    """The page as HTML. Whatever it was given is escaped, but for the figures."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        page=page,
        headings=HEADINGS,
        rows=rows,
        inline=_inline,
        effect=verdict_table.effect,
        region=verdict_table.region,
        instead=verdict_table.instead,
        symbols=verdict_table.SYMBOLS,
        count_verdicts=verdict_table.count_verdicts,
    )


def _inline(figure: Figure) -> Markup:
    """A figure for the inside of a page: its ids apart from others', its ink that of the text."""
    body = figure.svg[figure.svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.S)
    prefix = re.sub(r"\W", "-", figure.name)
    body = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{prefix}-", body)
    body = body.replace(INK, "currentColor").replace(PAPER, "transparent")
    opening = re.sub(r' (width|height)="[^"]*"', "", body[: body.index(">")])
    label = Markup(' role="img" aria-label="{}"').format(figure.alt)
    return Markup(opening) + label + Markup(body[body.index(">") :])
