"""Claims, the conditions that they imply, and the comparisons that conditions are about."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

from fashionbench.analysis.results import Results
from fashionbench.params import LossInput

Verdict = Literal["reproduced", "contradicted", "inconclusive", "vacuous", "not applicable"]
Unit = Literal["accuracy", "points", "nats", "share", "ratio"]
"""The unit of a quantity: an accuracy, a difference of accuracies, a loss, a share or a ratio."""

DIGITS = 9
"""Values are rounded to this many decimals, so that no sum's last bit decides anything."""
SIGNIFICANT_DIGITS = 6
"""Of numbers that are written; what follows may depend on the processor."""


def rounded(value: float) -> float:
    """Round to SIGNIFICANT_DIGITS."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


@dataclass(frozen=True)
class Comparison:
    """A quantity of one network by seed, ``first``, or how far it lies above a ``second`` one's.

    ``name`` tells it from the other comparisons of its condition. ``networks`` are those of first
    and second. ``of_images`` is True for final accuracies: means over images.
    """

    name: str
    networks: tuple[str, ...]
    first: "pd.Series[float]"
    second: "pd.Series[float] | None" = None
    of_images: bool = False

    @property
    def values(self) -> "pd.Series[float]":
        """Return one value per seed; runs of two networks are paired by their seeds."""
        paired = self.first if self.second is None else (self.first - self.second).dropna()
        return paired.round(DIGITS) + 0.0  # No negative zeros.


Quantity = Callable[[Results], Sequence[Comparison]]


@dataclass(frozen=True)
class Condition:
    """A condition of a claim: a quantity lies between ``low`` and ``high``.

    ``quantity`` names it in words, ``unit`` is its unit. If ``compare`` returns several
    comparisons, such as with each rival, all of them must lie there; with ``some``, at least one.
    ``reported`` is the report's own number, if it gives one. ``loss_input`` is the only loss on
    whose scale the bounds mean anything; None for any.
    """

    quantity: str
    compare: Quantity
    unit: Unit
    low: float = -math.inf
    high: float = math.inf
    reported: float | None = None
    loss_input: LossInput | None = None
    some: bool = False

    @property
    def margin(self) -> float:
        """Return the tolerance around the middle of two bounds, or the only bound."""
        if math.isfinite(self.low) and math.isfinite(self.high):
            return (self.high - self.low) / 2
        return self.low if math.isfinite(self.low) else self.high

    def with_margin(self, margin: float) -> "Condition":
        """Return the same condition with another margin."""
        if math.isfinite(self.low) and math.isfinite(self.high):
            middle = (self.low + self.high) / 2
            return replace(self, low=middle - margin, high=middle + margin)
        if math.isfinite(self.low):
            return replace(self, low=margin)
        return replace(self, high=margin)


@dataclass(frozen=True)
class Claim:
    """A statement of the report, the conditions it implies, and the reason for their bounds.

    ``about`` names networks whose weights the statement describes: if one of them learned nothing,
    the statement says nothing about what is learned.
    """

    number: int
    words: str
    conditions: Sequence[Condition]
    why: str
    about: tuple[str, ...] = ()
