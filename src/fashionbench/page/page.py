"""Renders results and verdicts as one self-contained HTML page, and each study as another.

The same arguments give the same bytes.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import pandas as pd
from markupsafe import Markup

from fashionbench.analysis import comparison as tables
from fashionbench.analysis.comparison import best_first
from fashionbench.analysis.explanations import Words
from fashionbench.claims import sensitivity, words
from fashionbench.claims.verdicts import ArmRecord, VerdictRecord, count_verdicts
from fashionbench.datasets import Own
from fashionbench.messages import counted
from fashionbench.page.explorer import Explorer, colour
from fashionbench.page.figures import INK, PAPER
from fashionbench.page.templating import allowed, data_block, library, own_script, template
from fashionbench.params import Params
from fashionbench.studies import records

GLYPHS = "●■◆✚▲▼▶◀"
"""The shapes of the networks' points, as scripts/charts.js draws them."""
_PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "pandas",
    "matplotlib",
    "safetensors",
    "vl-convert-python",
)
"""Packages whose version can change a number or a line of a figure."""
_FRACTION = re.compile(r"(scale\([^)]*\)|(?<![\w.])-?\d+\.\d\d)\d*")
_LETTER = re.compile(r'<path id="(DejaVu[^"]*)".*?/>\n?', flags=re.S)


@dataclass(frozen=True, kw_only=True)
class Arm:
    """All networks trained with one value of loss_input, and the verdicts on all claims."""

    loss_input: str
    comparison: pd.DataFrame
    record: ArmRecord


@dataclass(frozen=True)
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

    ``title`` is its heading, and ``not_judged`` says why there are no claims. ``arms`` are the
    pipeline's own and, if there is one, its counterpart, whose figures are ``correction``.
    ``described`` has the networks in words. ``first`` are on the first screen. ``trust`` is of the
    same arms. ``networks`` are the figures of each network by its name,
    ``made_from`` tables of names and values by their headings,
    ``registered`` says which commit declared the claims. ``explorer`` is what scripts show; without
    scripts the page is complete, and the same but for that.
    """

    title: str
    arms: Sequence[Arm]
    described: Mapping[str, str]
    first: Sequence[Figure]
    overview: Sequence[Figure]
    correction: Sequence[Figure]
    networks: Mapping[str, Sequence[Figure]]
    explanations: Sequence[Words]
    trust: Sequence[Trust]
    made_from: Mapping[str, Mapping[str, str]]
    explorer: Explorer
    studies: Sequence[Markup] = ()
    not_judged: str = ""
    registered: str = ""


def render(page: Page) -> str:
    """Return the page as HTML. All text is escaped; the figures' SVG is not."""
    scripts = library(), own_script()
    html = template("page.html.jinja").render(
        page=page,
        tables=tables,
        inline=inline,
        evidence=evidence,
        own_claims={arm.loss_input: arm.record.claims for arm in page.arms},
        winner=winner,
        tally=tally,
        test_accuracy=test_accuracy,
        count_same=count_same,
        scripts=scripts,
        policy=" ".join(map(allowed, scripts)),
        data=data_block(page.explorer.data),
        colour=colour,
        glyph=lambda index: GLYPHS[index % len(GLYPHS)],
    )
    return _share_letters(html)


def render_section(
    name: str, record: records.StudyRecord, svg: Mapping[str, str], *, is_whole: bool = False
) -> Markup:
    """Return a study as a section of HTML; ``svg`` are its figures by name.

    Unless it ``is_whole``, effects, intervals and verdicts on many splits are left to its own page.
    """
    figures = [
        Figure(f"study-{name}-{one.name}", svg[one.name], one.caption, one.alt)
        for one in record.figures
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
            records=records,
        )
    )


def render_study(
    record: records.StudyRecord, svg: Mapping[str, str], made_from: Mapping[str, Mapping[str, str]]
) -> str:
    """Return a study as a page of its own; ``made_from`` as on the project's page."""
    section = render_section("own", record, svg, is_whole=True)
    return template("study_page.html.jinja").render(
        study=record, section=section, made_from=made_from
    )


def winner(comparison: pd.DataFrame) -> str:
    """Say which network is the best on validation images, and how far ahead on test images."""
    ranked = best_first(comparison)
    best = str(ranked["network"].iloc[0])
    right = test_accuracy(comparison, best)
    text = f"{best}, the best on validation images, gets {right} of the test images right"
    if comparison["seeds"].max() > 1:
        text += " in its median run"
    if len(ranked) == 1:
        return f"{text}."
    first, second = ranked["test_accuracy_median"].iloc[:2]
    ahead = 100 * (first - second)
    side = "more" if ahead >= 0 else "less"
    return f"{text}, {abs(ahead):.1f} points {side} than the second, {ranked['network'].iloc[1]}."


def test_accuracy(comparison: pd.DataFrame, network: str) -> str:
    """Format the median test accuracy of a network, such as ``90.2%``."""
    return f"{comparison.set_index('network')['test_accuracy_median'][network]:.1%}"


def tally(arm: Arm) -> str:
    """Count the verdicts of an arm in words: ``5 reproduced, 2 inconclusive``."""
    counts = count_verdicts(arm.record.claims)
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)


def count_same(one: Arm, other: Arm) -> int:
    """Count the claims that have the same verdict in both arms."""
    pairs = zip(one.record.claims, other.record.claims, strict=True)
    return sum(first.verdict == second.verdict for first, second in pairs)


def evidence(arms: Sequence[Arm]) -> tuple[list[str], list[list[str]]]:
    """Return headings, and a row for each condition of a claim with what each arm says of it."""
    answers = ("effect", "seeds", "analyses %")
    headings = ["Claim", *(f"{arm.loss_input}: {of}" for arm in arms for of in answers)]
    rows = []
    for verdicts in zip(*(arm.record.claims for arm in arms), strict=True):
        # A claim that is not applicable in one arm has no conditions there.
        judged = max((verdict.conditions for verdict in verdicts), key=len)
        for place, condition in enumerate(judged):
            claimed = words.format_region(condition)
            row = [f"{verdicts[0].claim}. {condition.quantity}: {claimed}"]
            for verdict in verdicts:
                row += _evidence(verdict, place) if verdict.conditions else [""] * len(answers)
            rows.append(row)
    return headings, rows


def _evidence(record: VerdictRecord, place: int) -> list[str]:
    condition = record.conditions[place]
    same, analyses = record.multiverse.get(sensitivity.ALL, (0, 0))
    return [
        words.format_numbers(condition),
        f"{condition.holds} of {len(condition.values)}",
        f"{100 * same / analyses:.0f}" if analyses else "",
    ]


def inline(figure: Figure) -> Markup:
    """Prepare a figure for inlining: ids unique within the page, and the colour of the text."""
    body = _lean(figure.svg[figure.svg.index("<svg") :])
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


def describe_origin(params: Params) -> dict[str, dict[str, str]]:
    """Return tables of parameters, versions and data by their headings; dvc.lock has the rest."""
    values = params.model_dump(mode="json")
    del values["networks"]  # The page has them in words, and params.yaml in full.
    datasets = [own.dataset for own in params.own_datasets.values()]
    if all(network.own.get("dataset") for network in params.networks.values()):
        for name in ("dataset", *Own.model_fields):  # Nothing was made from these.
            del values[name]
    else:
        datasets = [params.dataset, *datasets]
    described = {
        "Parameters": {name: str(value) for name, value in values.items()},
        "Versions": {"python": ".".join(map(str, sys.version_info[:2]))}
        | {package: version(package).partition("+")[0] for package in _PACKAGES},
    }
    for dataset in datasets:
        of = f" of {dataset.title}" if len(datasets) > 1 else ""
        has_archives = any(origin.startswith("torchvision:") for origin in dataset.origins)
        unhashed = "verified by the md5 of its archive" if has_archives else "as its package has it"
        described[f"Data{of} (sha256 of the files, unpacked)"] = {
            "data set": f"{dataset.title}: {dataset.source}; licence: {dataset.licence}",
            "known faults": dataset.faults,
            **{file.name: file.sha256 or unhashed for file in dataset.files},
        }
    return described
