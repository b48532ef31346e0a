"""What claims are about: values of networks by seed, and conditions that can be judged.

Accuracies and losses are final scores in evaluation mode on the split that is judged (validation,
unless the results are asked for test images), and curves those of training, unless a function says
otherwise.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pandas as pd

from fashionbench.analysis.results import NotTestableError, Results
from fashionbench.analysis.statistics import DIGITS, Effects
from fashionbench.claims.language import (
    CLAIMS_FILE,
    DeclaredClaim,
    DeclaredCondition,
    Points,
    Published,
    Unit,
    conjoin,
    read_declared,
)
from fashionbench.errors import ConfigError
from fashionbench.files import where
from fashionbench.messages import counted
from fashionbench.params import LossInput
from fashionbench.paths import project_folder

SMOOTHED_EPOCHS = 3

Labels = Mapping[str, str]
"""Names of networks by how they are called in a comparison, such as ``0.3``."""


@dataclass(frozen=True)
class Comparison:
    """A quantity of one network by seed, ``first``, or how far it lies above a ``second`` one's.

    ``name`` tells it from the other comparisons of its condition. ``networks`` are those of first
    and second, and ``lost`` the seeds of each that are set aside because they lost a class.
    ``published`` is the mean of others, if that is what is subtracted. ``of_images`` is True for
    final accuracies: means over images.
    """

    name: str
    networks: tuple[str, ...]
    first: "pd.Series[float]"
    second: "pd.Series[float] | None" = None
    lost: tuple[frozenset[int], ...] = ()
    published: Effects | None = None
    of_images: bool = False

    @property
    def values(self) -> "pd.Series[float]":
        """Return one value per seed; runs of two networks are paired by their seeds."""
        paired = self.first if self.second is None else (self.first - self.second).dropna()
        if self.published:
            paired = paired - float(self.published.mean)
        return paired.round(DIGITS) + 0.0  # No negative zeros.

    @property
    def is_paired(self) -> bool:
        """Tell whether both networks have the same seeds, or there is only one."""
        return self.second is None or set(self.first.index) == set(self.second.index)

    def effect(self, *, in_pairs: bool | None = None, with_lost: bool = False) -> Effects:
        """Return the effect: in pairs if all seeds are common, else by Welch over all runs.

        ``in_pairs`` asks for one of these, ``with_lost`` for all runs, those set aside as well.
        """
        lost = () if with_lost else self.lost
        if in_pairs is None:
            in_pairs = self.is_paired
        if in_pairs or self.second is None:
            found = _of_runs(self.values, frozenset[int]().union(*lost))
            if self.published is None:
                return found
            # The values are less the published mean already: only its error remains.
            return found.minus(replace(self.published, mean=np.zeros(())))
        of_first, of_second = lost or (frozenset[int](), frozenset[int]())
        first = _of_runs(self.first.round(DIGITS), of_first)
        return first.minus(_of_runs(self.second.round(DIGITS), of_second))


def _of_runs(runs: "pd.Series[float]", lost: frozenset[int]) -> Effects:
    kept = np.asarray(~runs.index.isin(list(lost)))
    return Effects.of_runs(np.asarray(runs, dtype=np.float64), kept)


@dataclass(frozen=True)
class Condition:
    """A condition of a claim: a quantity lies between ``low`` and ``high``.

    ``quantity`` names it in words, ``unit`` is its unit. If ``compare`` returns several
    comparisons, such as with each rival, all of them must lie there; with ``some``, at least one.
    ``reported`` is the report's own number, if it gives one. ``loss_input`` is the only loss on
    whose scale the bounds mean anything; None for any.
    """

    quantity: str
    compare: Callable[[Results], Sequence[Comparison]]
    unit: Unit
    low: float = -math.inf
    high: float = math.inf
    reported: float | None = None
    loss_input: LossInput | None = None
    some: bool = False

    @property
    def has_two_bounds(self) -> bool:
        """Tell whether both bounds are finite."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def margin(self) -> float:
        """Return the tolerance around the middle of two bounds, or the only bound."""
        if self.has_two_bounds:
            return (self.high - self.low) / 2
        return self.low if math.isfinite(self.low) else self.high

    def with_margin(self, margin: float) -> "Condition":
        """Return the same condition with another margin."""
        if self.has_two_bounds:
            middle = (self.low + self.high) / 2
            return replace(self, low=middle - margin, high=middle + margin)
        if math.isfinite(self.low):
            return replace(self, low=margin)
        return replace(self, high=margin)


@dataclass(frozen=True)
class Claim:
    """A claim with the conditions that it implies: :class:`language.DeclaredClaim`, made ready."""

    number: str
    words: str
    conditions: Sequence[Condition]
    why: str
    about: tuple[str, ...] = ()
    quote: str = ""


def load_claims(
    path: Path | None = None,
    change: Callable[[DeclaredCondition], DeclaredCondition] = lambda condition: condition,
) -> list[Claim]:
    """Read the report's claims: those of claims.yaml at the top of the project, or of ``path``.

    ``change`` returns what is made of each condition. Raises ConfigError that names the line of the
    first mistake.
    """
    path = path or project_folder() / CLAIMS_FILE
    changed = [
        claim.model_copy(update={"conditions": tuple(map(change, claim.conditions))})
        for claim in read_declared(path)
    ]
    return make_claims(changed, path)


def named(points: Points) -> Labels:
    """Return networks by their own names; ConfigError for values of a factor."""
    if points.factor:
        raise ConfigError(f"{points.factor}: the report's claims are about networks, not factors")
    return {name: name for name in points.names}


def make_claims(
    declared: Sequence[DeclaredClaim], path: Path, find: Callable[[Points], Labels] = named
) -> list[Claim]:
    """Make claims that can be judged; ``find`` returns the networks that points mean.

    Raises ConfigError, with the line of the condition in the file ``path``, where that does.
    """
    made = []
    for place, claim in enumerate(declared):
        conditions = []
        for number, condition in enumerate(claim.conditions):
            try:
                conditions.append(_make(condition, find))
            except ConfigError as error:
                wrong = where(path, ("claims", place, "conditions", number))
                raise ConfigError(f"{wrong}: {error}") from error
        words, why, quote = (
            " ".join(text.split()) for text in (claim.words, claim.why, claim.quote)
        )
        made.append(Claim(claim.number, words, conditions, why, claim.about, quote))
    return made


def _make(declared: DeclaredCondition, find: Callable[[Points], Labels]) -> Condition:
    low, high = declared.bounds
    pairs = list(_pairs(declared, find))
    if not pairs:
        raise ConfigError("compares a network with itself alone")
    return Condition(
        quantity=" ".join(declared.name.split()) if declared.name else _describe(declared),
        compare=lambda results: [
            one for pair in pairs for one in _compare(declared, pair, len(pairs) > 1, results)
        ],
        unit=declared.unit,
        low=low,
        high=high,
        reported=declared.reported,
        loss_input=declared.loss,
        some=declared.some,
    )


@dataclass(frozen=True)
class _Pair:
    """One network, or two of which the second is subtracted; ``name`` tells it from others."""

    name: str
    networks: tuple[str, ...]


def _pairs(declared: DeclaredCondition, find: Callable[[Points], Labels]) -> Iterator[_Pair]:
    of = find(declared.of)
    if declared.minus is None or isinstance(declared.minus, Published):
        yield from (_Pair(name, (network,)) for name, network in of.items())
    elif isinstance(declared.minus, Points):
        minus = find(declared.minus)
        for (one, first), (other, second) in product(of.items(), minus.items()):
            if first != second:
                name = f"{one} minus {other}" if len(minus) > 1 and len(of) > 1 else one
                yield _Pair(other if len(of) == 1 else name, (first, second))
    else:
        for (one, first), (other, second) in pairwise(of.items()):
            yield _Pair(f"{one} to {other}", (second, first))


def _compare(
    declared: DeclaredCondition, pair: _Pair, is_named: bool, results: Results
) -> Iterator[Comparison]:
    """Yield the comparison of a pair, or one of each epoch."""
    name = pair.name if is_named else ""
    scored = results.on(declared.split) if declared.split else results
    first, *second = (_compute(declared, scored, one) for one in pair.networks)
    first = first * declared.times
    of_images = declared.times == 1 and declared.value == "accuracy" and scored.split == "val"
    lost = tuple(results.set_aside(network) for network in pair.networks)
    if isinstance(first, pd.Series):
        subtracted = next((one for one in second if isinstance(one, pd.Series)), None)
        published = _effect_of(declared.minus) if isinstance(declared.minus, Published) else None
        yield Comparison(name, pair.networks, first, subtracted, lost, published, of_images)
        return
    for epoch in first.index:
        of_epoch = f"{name}, epoch {epoch}" if name else f"epoch {epoch}"
        subtracted = second[0].loc[epoch] if second else None
        yield Comparison(of_epoch, pair.networks, first.loc[epoch], subtracted, lost)


def _effect_of(published: Published) -> Effects:
    error = published.deviation / math.sqrt(published.runs)
    return Effects(*(np.array(one) for one in (published.mean, error, published.runs - 1.0)))


def _describe(declared: DeclaredCondition) -> str:
    """Name what is compared, for a condition without a name of its own."""
    where = {"test": "test ", "val": "validation ", None: ""}[declared.split]
    words = where + declared.quantity.words
    if declared.over:
        words = words.replace("the last epochs", f"the last {declared.over} epochs")
    if declared.value.startswith("later"):
        words += f" after epoch {declared.start}"
    elif declared.start:
        words += f" from epoch {declared.start} to {declared.end or 'the last'}"
    some = "some" if declared.some else "each"

    def name(points: Points, one: str) -> str:
        if not points.factor:
            return conjoin(points.names)
        if points.levels and len(points.levels) == 1:
            return f"{points.factor} {level_name(points.levels[0])}"
        return f"{one} {points.factor}"

    words += f" of {name(declared.of, some)}"
    if declared.minus is None:
        return words
    if isinstance(declared.minus, Published):
        return f"{words} minus the published mean of {declared.minus.runs} runs"
    if not isinstance(declared.minus, Points):
        return f"{words} minus that of the one before it"
    return f"{words} minus {name(declared.minus, f'{some} other')}"


def level_name(level: object) -> str:
    """Name a value of a factor, such as ``1e-07``."""
    return f"{level:g}" if isinstance(level, float) else str(level)


def excess(results: Results, network: str) -> pd.DataFrame:
    """Return validation minus train accuracy: one row per epoch, one column per seed."""
    return _accuracies(results, network) - results.by_epoch(network, "train_accuracy")


def _accuracies(results: Results, network: str) -> pd.DataFrame:
    return results.by_epoch(network, "val_accuracy")


def _last(curve: pd.DataFrame, declared: DeclaredCondition) -> pd.DataFrame:
    """Return the last epochs of a curve: one row per epoch, one column per seed."""
    epochs = declared.over or 0
    if len(curve) < epochs:
        raise NotTestableError(f"needs at least {counted(epochs, 'epoch')}")
    return curve.tail(epochs)


def _later(curve: pd.DataFrame, declared: DeclaredCondition) -> "pd.Series[float]":
    """Return how far the mean of all epochs after ``from`` lies above that of the three before."""
    until = declared.start or 0
    if curve.index.max() <= until:
        raise NotTestableError(f"needs more than {counted(until, 'epoch')}")
    before = curve.loc[until - SMOOTHED_EPOCHS + 1 : until]
    return curve.loc[until + 1 :].mean() - before.mean()


def _between_epochs(curve: pd.DataFrame, declared: DeclaredCondition) -> "pd.Series[float]":
    start, end = declared.start or 0, declared.end or int(curve.index.max())
    if declared.end is None and end <= start:
        raise NotTestableError(f"needs more than {counted(start, 'epoch')}")
    if missing := {start, end} - set(curve.index):
        raise NotTestableError(f"needs epoch {min(missing)}")
    return (curve.T[end] - curve.T[start]).astype(np.float64)


def _rise(curve: pd.DataFrame) -> "pd.Series[float]":
    slopes = np.asarray(np.polyfit(curve.index, curve.to_numpy(), deg=1)[0], dtype=np.float64)
    return pd.Series(slopes * (len(curve) - 1), index=curve.columns)


def _fluctuation(curve: pd.DataFrame) -> "pd.Series[float]":
    """Return how much more the accuracy varies from epoch to epoch than a smoothed curve.

    Both are standard deviations of the changes between successive epochs: they measure the
    variation around the mean change, which is the trend. The curve is smoothed by means over
    SMOOTHED_EPOCHS epochs. 0 for a straight line, flat or not.
    """
    smoothed = curve.rolling(SMOOTHED_EPOCHS).mean()
    return curve.diff().std() - smoothed.diff().std()


_COMPUTED: Mapping[
    str, Callable[[Results, str, DeclaredCondition], "pd.Series[float] | pd.DataFrame"]
] = {
    "train_accuracy": lambda results, name, _: results.score(name, "train", "accuracy"),
    "gap": lambda results, name, _: results.score(name, "train", "accuracy") - results.final(name),
    "plateau": lambda results, name, of: _last(_accuracies(results, name), of).mean(),
    "plotted_gap": lambda results, name, of: -_last(excess(results, name), of).mean(),
    "highest": lambda results, name, _: _accuracies(results, name).max(),
    "rise": lambda results, name, of: _rise(_last(_accuracies(results, name), of)),
    "fluctuation": lambda results, name, of: _fluctuation(_last(_accuracies(results, name), of)),
    "change": lambda results, name, of: _between_epochs(_accuracies(results, name), of),
    "gap_change": lambda results, name, of: _between_epochs(-excess(results, name), of),
    "later_accuracy": lambda results, name, of: _later(_accuracies(results, name), of),
    "later_loss": lambda results, name, of: _later(results.by_epoch(name, "val_loss"), of),
    "excess": lambda results, name, _: excess(results, name).iloc[-1],
    "excess_by_epoch": lambda results, name, _: excess(results, name),
    "loss_excess_by_epoch": lambda results, name, _: (
        results.by_epoch(name, "train_loss") - results.by_epoch(name, "val_loss")
    ),
    "near_zero": lambda results, name, _: results.of_weights(name, "near_zero"),
    "total_variation": lambda results, name, _: results.of_weights(name, "total_variation"),
}
"""By seed, or by epoch (rows) and seed (columns). Whatever is not here is a final score."""


def _compute(
    declared: DeclaredCondition, results: Results, network: str
) -> "pd.Series[float] | pd.DataFrame":
    if computed := _COMPUTED.get(declared.value):
        return computed(results, network, declared)
    return results.final(network, declared.value).dropna()
