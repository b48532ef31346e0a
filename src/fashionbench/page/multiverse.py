"""Draws in which share of other analyses each verdict stands, choice by choice."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from fashionbench.claims.sensitivity import ALL, CHOICES
from fashionbench.claims.verdicts import VerdictRecord
from fashionbench.page.figures import PAPER, STYLE, panels

_ROW = 0.17
"""Inches."""
_NONE = "#bdbdbd"


def shares(claims: Sequence[VerdictRecord]) -> dict[str, dict[str, float]]:
    """Return the share of analyses with the same verdict, by claim and option.

    Claims and options without any analysis are left out.
    """
    return {
        record.claim: {option: same / of for option, (same, of) in record.multiverse.items()}
        for record in claims
        if record.multiverse
    }


@mpl.rc_context(STYLE | {"axes.grid": False})
def draw_multiverse(claims: Sequence[VerdictRecord]) -> Figure:
    """Draw a row for each claim and a column for each option, darker the more verdicts stand.

    Options of one choice stand together, and what does not apply to a claim is grey.
    """
    found = shares(claims)
    options = [ALL, *(option for choice in CHOICES.values() for option in choice)]
    cells = [[of.get(option, np.nan) for option in options] for of in found.values()]
    figure, (axes,) = panels(1.6 + _ROW * len(found))
    colours = mpl.colormaps["Blues"].with_extremes(bad=_NONE)
    image = axes.imshow(cells, cmap=colours, vmin=0, vmax=1, aspect="auto", interpolation="none")
    axes.set_xticks(range(len(options)), options, rotation=45, ha="right", fontsize=8)
    axes.set_yticks(range(len(found)), list(found), fontsize=8)
    axes.tick_params(left=False, bottom=False)
    for after in np.cumsum([1, *map(len, CHOICES.values())])[:-1]:
        axes.axvline(after - 0.5, color=PAPER, linewidth=2)
    bar = figure.colorbar(image, shrink=0.5, format="{x:.0%}")
    bar.ax.tick_params(labelsize=8)
    return figure
