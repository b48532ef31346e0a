"""Renders studies: a section of the project's page for each, and a page of its own."""

from collections.abc import Mapping

from markupsafe import Markup

from fashionbench.analysis import verdict_words
from fashionbench.page.page import Figure, inline
from fashionbench.page.templating import template
from fashionbench.studies import words
from fashionbench.studies.records import StudyRecord


def render_section(
    name: str, record: StudyRecord, svg: Mapping[str, str], level: int = 3
) -> Markup:
    """Return a study as a section of HTML.

    ``svg`` are its figures by name, ``level`` that of its heading.
    """
    figures = [
        Figure(
            name=f"study-{name}-{figure.name}",
            svg=svg[figure.name],
            caption=figure.caption,
            alt=figure.alt,
        )
        for figure in record.figures
    ]
    return Markup(
        template("study.jinja").render(
            name=name,
            level=level,
            study=record,
            figures=figures,
            inline=inline,
            words=verdict_words,
            symbols=verdict_words.SYMBOLS,
            describe_effect=words.describe_effect,
            describe_more_seeds=words.describe_more_seeds,
        )
    )


def render_page(
    record: StudyRecord, svg: Mapping[str, str], made_from: Mapping[str, Mapping[str, str]]
) -> str:
    """Return a study as a page of its own; ``made_from`` as on the project's page."""
    section = render_section("own", record, svg, level=2)
    return template("study_page.html.jinja").render(
        study=record, section=section, made_from=made_from
    )
