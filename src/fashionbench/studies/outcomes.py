"""What comes out of a study: the results of each arm, verdicts, and effects without a claim."""

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise, product
from pathlib import Path

import pandas as pd

from fashionbench.analysis.pairs import compare_pairs
from fashionbench.analysis.results import (
    NotTestableError,
    Results,
    ScoredSplit,
    read_correct,
)
from fashionbench.analysis.statistics import estimate, rounded
from fashionbench.claims.judging import ends, judge
from fashionbench.claims.language import Unit
from fashionbench.claims.quantities import excess, load_claims
from fashionbench.claims.sensitivity import with_multiverse
from fashionbench.params import LossInput
from fashionbench.paths import network_table
from fashionbench.studies.design import Design, Point
from fashionbench.studies.records import EffectRecord, StudyArmRecord
from fashionbench.tables import read_table


def read_arm(
    design: Design,
    loss_input: LossInput,
    most_seeds: int | None = None,
    images: str | None = None,
) -> Results:
    """Read the tables of all points with a loss, of their first seeds if ``most_seeds`` is given.

    With ``images`` those on these alone, whose labels then do not name them. Raises DataError if a
    table is missing.
    """
    points = {
        point.label if images is None else point.on_images: point
        for point in design.of(loss_input)
        if images in (None, point.images)
    }
    seeds = {point.name: point.seeds[:most_seeds] for point in points.values()}

    def read(table: str, point: Point) -> pd.DataFrame:
        rows = read_table(network_table(point.name, table))
        return rows[rows["seed"].isin(seeds[point.name])].reset_index(drop=True)

    curves, scores, weights = (
        {label: read(table, point) for label, point in points.items()}
        for table in ("curves", "scores", "weights")
    )
    splits: tuple[ScoredSplit, ...] = ("val", "test")
    found = {split: read_correct(Path(), seeds, split) for split in splits}
    correct = {
        split: {label: of[point.name] for label, point in points.items() if point.name in of}
        for split, of in found.items()
    }
    # Of several sizes the smallest: the others' intervals are then too wide rather than short.
    sizes = [len(right) for of in correct["val"].values() for right in of.values()]
    if len({point.images for point in points.values()}) > 1:
        correct = {}  # Their images make no pairs.
    return Results(
        curves=curves,
        scores=scores,
        weights=weights,
        loss_input=loss_input,
        correct=correct,
        images=min(sizes, default=Results.images),
    )


def effects_of(design: Design, results: Results) -> tuple[EffectRecord, ...]:
    """Return the effects of two switched factors, and where validation overtakes training."""
    found = [*_factorial(design, results)]
    for claim in design.study.claims:
        for condition in claim.conditions:
            of = condition.of
            if condition.value == "excess" and condition.minus == "previous" and of.factor:
                found += _crossing(design, results, of.factor)
    return tuple(found)


def _factorial(design: Design, results: Results) -> Iterator[EffectRecord]:
    """Yield differences to the first point, main effects and interaction of a 2 x 2 study.

    A main effect is the mean of the differences that a factor makes with either value of the other;
    the interaction is the difference of these two differences.
    """
    factors = design.study.factors
    if not design.study.crossed or [len(values) for values in factors.values()] != [2, 2]:
        return
    one, other = factors
    # Points with neither, with the other alone, with the one alone, and with both.
    accuracies = [
        results.final(design.label(design.network, {one: first, other: second}))
        for first, second in product(*factors.values())
    ]
    contrasts = {
        f"{one} alone": (-1, 0, 1, 0),
        f"{other} alone": (-1, 1, 0, 0),
        "both together": (-1, 0, 0, 1),
        f"main effect of {one}": (-0.5, -0.5, 0.5, 0.5),
        f"main effect of {other}": (-0.5, 0.5, -0.5, 0.5),
        "interaction": (1, -1, -1, 1),
    }
    for name, weights in contrasts.items():
        parts = [weight * of for weight, of in zip(weights, accuracies, strict=True) if weight]
        yield _effect(name, "points", pd.Series(sum(parts)))


def _crossing(design: Design, results: Results, factor: str) -> list[EffectRecord]:
    """Return the value from which on validation ends above train accuracy; none if it never does.

    By seed, between the last value with a lower and the first with a higher validation accuracy in
    a straight line; seeds in which the difference has the same sign everywhere are left out.
    """
    try:
        at_end = {
            float(value): excess(results, label).iloc[-1]
            for value, label in design.values(factor).items()
        }
    except NotTestableError:
        return []
    by_seed = pd.DataFrame(at_end).dropna()
    found = [_zero(row.index.to_list(), row.to_list()) for _, row in by_seed.iterrows()]
    values = [value for value in found if value is not None]
    name = f"{factor} from which on validation ends above train accuracy"
    return [_effect(name, None, pd.Series(values))] if values else []


def _zero(places: list[float], heights: list[float]) -> float | None:
    """Return where a broken line first rises through zero; None if it never does."""
    points = list(zip(places, heights, strict=True))
    for (left, low), (right, high) in pairwise(points):
        if low <= 0 < high:
            return left - low * (right - left) / (high - low)
    return None


def _effect(name: str, unit: Unit | None, values: "pd.Series[float]") -> EffectRecord:
    kept = [rounded(value) for value in values.dropna()]
    found = estimate(kept)
    interval = ends(found.low, found.high) if not math.isnan(found.low) else None
    return EffectRecord(
        name=name, unit=unit, values=tuple(kept), mean=rounded(found.mean), interval=interval
    )


Arms = Mapping[LossInput, Results]


def read_arms(design: Design) -> Arms:
    """Read the results of all points by loss. Raises DataError if a table is missing."""
    return {loss_input: read_arm(design, loss_input) for loss_input in design.study.losses}


def judge_arms(design: Design, arms: Arms) -> dict[LossInput, StudyArmRecord]:
    """Judge all claims by loss; those of the study are a family of tests in each arm.

    So are, on each data set or split, those of the report that may transfer to it.
    """
    claims, numbers = design.claims(), design.study.report_claims
    transferred = design.transferred()
    of_report = load_claims() if numbers else []
    return {
        loss_input: StudyArmRecord(
            claims=judge(claims, results),
            effects=effects_of(design, results),
            report=tuple(
                with_multiverse(judge(of_report, few), few)
                for most in numbers
                for few in [read_arm(design, loss_input, most)]
            ),
            transferred={
                name: judge(transferred, read_arm(design, loss_input, images=name))
                for name in (design.images if transferred else [])
            },
        )
        for loss_input, results in arms.items()
    }


def pairs_of(arms: Arms) -> pd.DataFrame:
    """Compare all pairs of networks in each arm, as the project's own arm does."""
    return pd.concat([compare_pairs(results) for results in arms.values()], ignore_index=True)
