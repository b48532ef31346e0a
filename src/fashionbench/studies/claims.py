"""Makes claims that can be judged of those that a study.yaml declares."""

import math
from collections.abc import Callable

from fashionbench.analysis.conditions import Claim, Condition
from fashionbench.analysis.quantities import difference, each_epoch
from fashionbench.analysis.verdict_words import conjoin
from fashionbench.errors import ConfigError
from fashionbench.studies import declared
from fashionbench.studies import quantities as of_studies
from fashionbench.studies.design import Design
from fashionbench.studies.quantities import Labels

Bounded = declared.Final | declared.Difference | declared.Change


def claims_of(design: Design) -> list[Claim]:
    """Return the claims of a study; ConfigError for a point or a value that it does not have."""
    return [
        Claim(
            claim.number,
            claim.words,
            [made for condition in claim.conditions for made in _conditions(condition, design)],
            " ".join(claim.why.split()),
        )
        for claim in design.study.claims
    ]


def _conditions(condition: declared.DeclaredCondition, design: Design) -> list[Condition]:
    make: Callable[..., list[Condition]] = _MAKERS[type(condition)]
    return make(condition, design)


def _final(found: declared.Final, design: Design) -> list[Condition]:
    _check_points(found.points, design)
    low, high = _bounds(found)
    where = {"test": "test accuracy", "val": "validation accuracy", None: "accuracy"}[found.split]
    compare = of_studies.final_accuracies(found.points, found.split)
    return [Condition(f"{where} of {conjoin(found.points)}", compare, "accuracy", low, high)]


def _difference(found: declared.Difference, design: Design) -> list[Condition]:
    _check_points([found.first, found.second], design)
    low, high = _bounds(found)
    words = f"accuracy of {found.first} minus {found.second}"
    return [Condition(words, difference(found.first, found.second), "points", low, high)]


def _change(found: declared.Change, design: Design) -> list[Condition]:
    _check_points(found.points, design)
    low, high = _bounds(found)
    curve = "gap of train over validation" if found.of == "gap" else "validation"
    words = (
        f"{curve} accuracy of {conjoin(found.points)} after epoch {found.end} minus that after "
        f"epoch {found.start}"
    )
    compare = of_studies.changes(found.points, found.of, found.start, found.end)
    return [Condition(words, compare, "points", low, high)]


def _gain(found: declared.Gain, design: Design) -> list[Condition]:
    values, own = design.values(found.factor), _own(found.factor, design)
    if unknown := set(found.values) - values.keys():
        raise ConfigError(f"study.yaml: {min(map(str, unknown))} is no value of {found.factor}")
    chosen = {_name(value): label for value, label in values.items() if value in found.values}
    words = f"accuracy with some {found.factor} minus that with the report's own"
    compare = of_studies.above_own(chosen, own)
    return [Condition(words, compare, "points", low=found.above, some=True)]


def _range(found: declared.Range, design: Design) -> list[Condition]:
    words = f"accuracy with some {found.factor} minus that with some other"
    compare = of_studies.ordered_pairs(_labels(found.factor, design))
    return [Condition(words, compare, "points", low=found.above, some=True)]


def _lead(found: declared.Lead, design: Design) -> list[Condition]:
    words = f"accuracy with each {found.factor} minus that with the report's own"
    compare = of_studies.above_own(_labels(found.factor, design), _own(found.factor, design))
    return [Condition(words, compare, "points", high=found.below)]


def _crossing(found: declared.Crossing, design: Design) -> list[Condition]:
    values = _labels(found.factor, design)
    (lowest, first), *_, (highest, last) = values.items()
    what = "validation minus train accuracy"
    return [
        Condition(
            f"{what} with a {found.factor} of {lowest}, after the last epoch",
            of_studies.excess_at_end(first),
            "points",
            high=0,
        ),
        Condition(
            f"rise of {what} from each {found.factor} to the next, after the last epoch",
            of_studies.rising_excess(values),
            "points",
            low=0,
        ),
        Condition(
            f"{what} with a {found.factor} of {highest}, in each epoch",
            each_epoch(last, "val_accuracy", "train_accuracy"),
            "points",
            low=0,
        ),
    ]


_MAKERS: dict[type, Callable[..., list[Condition]]] = {
    declared.Final: _final,
    declared.Difference: _difference,
    declared.Change: _change,
    declared.Gain: _gain,
    declared.Range: _range,
    declared.Lead: _lead,
    declared.Crossing: _crossing,
}


def _labels(factor: declared.Factor, design: Design) -> Labels:
    return {_name(value): label for value, label in design.values(factor).items()}


def _own(factor: declared.Factor, design: Design) -> str:
    values, own = design.values(factor), design.reported(factor)
    if own not in values:
        raise ConfigError(f"study.yaml: the values of {factor} lack the report's own, {own}")
    return values[own]


def _bounds(found: Bounded) -> tuple[float, float]:
    if found.between:
        return found.between
    low = -math.inf if found.above is None else found.above
    return low, math.inf if found.below is None else found.below


def _check_points(points: list[str], design: Design) -> None:
    # Points trained on either loss share a label.
    labels = [*dict.fromkeys(point.label for point in design.points)]
    for point in points:
        if point not in labels:
            raise ConfigError(f"study.yaml: there is no point {point}; there are {conjoin(labels)}")


def _name(value: declared.Level) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
