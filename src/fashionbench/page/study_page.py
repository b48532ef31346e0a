"""Renders studies: a section of the project's page for each, and a page of its own."""

from collections.abc import Mapping

from markupsafe import Markup

from fashionbench.messages import counted
from fashionbench.page.page import Figure, inline
from fashionbench.page.templating import template
from fashionbench.studies.records import (
    MANY,
    StudyRecord,
    describe_effect,
    describe_missing,
    describe_more_seeds,
    verdicts_by_loss,
)


def render_section(
    name: str, record: StudyRecord, svg: Mapping[str, str], *, is_whole: bool = False
) -> Markup:
    """Return a study as a section of HTML; ``svg`` are its figures by name.

    Unless it ``is_whole``, effects, intervals and verdicts on many splits are left to its own page.
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
            is_whole=is_whole,
            study=record,
            figures=figures,
            inline=inline,
            own_claims={label: arm.claims.claims for label, arm in record.arms.items()},
            on_datasets={
                name: {label: arm.transferred[name].claims for label, arm in record.arms.items()}
                for name in next(iter(record.arms.values())).transferred
            },
            by_seeds={
                f"{label}, {counted(judged.seeds, 'seed')}": judged.claims
                for label, arm in record.arms.items()
                for judged in arm.report
            },
            describe_effect=describe_effect,
            describe_missing=describe_missing,
            describe_more_seeds=describe_more_seeds,
            verdicts_by_loss=verdicts_by_loss,
            MANY=MANY,
        )
    )


def render_page(
    record: StudyRecord, svg: Mapping[str, str], made_from: Mapping[str, Mapping[str, str]]
) -> str:
    """Return a study as a page of its own; ``made_from`` as on the project's page."""
    section = render_section("own", record, svg, is_whole=True)
    return template("study_page.html.jinja").render(
        study=record, section=section, made_from=made_from
    )
