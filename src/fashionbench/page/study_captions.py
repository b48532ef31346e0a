"""The figures of a study with their captions and texts for screen readers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from fashionbench.analysis.results import Results
from fashionbench.analysis.statistics import CONFIDENCE, estimate
from fashionbench.claims.quantities import level_name
from fashionbench.page import figures, study_figures
from fashionbench.params import LossInput
from fashionbench.studies.design import Design, Factor
from fashionbench.studies.outcomes import effects_of, read_arm
from fashionbench.studies.records import FigureRecord

_LIKE_THESE = f"Means with {CONFIDENCE:.0%} intervals; every point is a replicate."


@dataclass(frozen=True)
class Drawn:
    """A figure with its name and its words."""

    figure: Figure
    record: FigureRecord


def figures_of(
    design: Design, arms: Mapping[LossInput, Results], comparison: pd.DataFrame
) -> list[Drawn]:
    """Draw a study: by its factors or epochs, else the accuracies of all points."""
    found = []
    if design.study.transfers:
        found += [*_on_images(design, arms, comparison)]
    elif design.study.crossed:
        found += [*_forests(design, arms)]
    else:
        found += [_doses(design, arms, factor) for factor in design.study.factors]
    if design.study.read_at:
        found += [*_epochs(design, arms)]
    return found or [_accuracies(arms, comparison)]


def _on_images(
    design: Design, arms: Mapping[LossInput, Results], comparison: pd.DataFrame
) -> Iterator[Drawn]:
    for images in design.images:
        points = [point for point in design.points if point.images == images]
        rows = comparison[comparison["network"].isin([point.name for point in points])]
        on_images = {loss_input: read_arm(design, loss_input, images=images) for loss_input in arms}
        drawn = _accuracies(on_images, rows)
        record = drawn.record.model_copy(
            update={
                "name": f"accuracy-{images}",
                "caption": drawn.record.caption.replace("accuracy.", f"accuracy on {images}.", 1),
            }
        )
        yield Drawn(drawn.figure, record)


def _doses(design: Design, arms: Mapping[LossInput, Results], factor: Factor) -> Drawn:
    drawn = {point.label for point in design.points}
    labels = {
        level_name(value): label for value, label in design.values(factor).items() if label in drawn
    }
    found: dict[str, dict[str, list[float]]] = {
        loss_input: {value: results.final(label).tolist() for value, label in labels.items()}
        for loss_input, results in arms.items()
    }
    own = level_name(design.reported(factor))
    means = "; ".join(
        f"with {loss_input} " + ", ".join(f"{value}: {_mean(of)}" for value, of in values.items())
        for loss_input, values in found.items()
    )
    caption = f"Validation accuracy of {design.network} by {factor}. {_LIKE_THESE} " + (
        f"The dotted line is the report's value, {own}." if own in labels else ""
    )
    record = FigureRecord(
        name=factor, caption=caption.strip(), alt=f"Validation accuracies by {factor}: {means}."
    )
    return Drawn(study_figures.draw_doses(factor, found, own), record)


def _epochs(design: Design, arms: Mapping[LossInput, Results]) -> Iterator[Drawn]:
    read_at, reported = design.study.read_at, design.params.num_epochs
    for loss_input, results in arms.items():
        ends = ", ".join(
            f"{name} {_mean(results.by_epoch(name, 'val_accuracy').iloc[-1].tolist())}"
            for name in results.curves
        )
        record = FigureRecord(
            name=f"epochs-{loss_input}",
            caption=f"Validation accuracy by epoch, trained on {loss_input}: means over seeds with "
            f"{CONFIDENCE:.0%} intervals, and every replicate as a point at epochs "
            f"{', '.join(map(str, read_at))}. The dotted line is the report's last epoch.",
            alt=f"Validation accuracies at the end: {ends}.",
        )
        yield Drawn(study_figures.draw_epochs(results.curves, read_at, reported), record)


def _forests(design: Design, arms: Mapping[LossInput, Results]) -> Iterator[Drawn]:
    for loss_input, results in arms.items():
        effects = {effect.name: effect.values for effect in effects_of(design, results)}
        if effects:
            means = ", ".join(
                f"{name} {100 * estimate(values).mean:.2f}" for name, values in effects.items()
            )
            record = FigureRecord(
                name=f"effects-{loss_input}",
                caption=f"Effects on the validation accuracy of {design.network} in points, in "
                f"pairs of equal seeds, trained on {loss_input}. {_LIKE_THESE}",
                alt=f"Effects in points: {means}.",
            )
            yield Drawn(study_figures.draw_forest(effects), record)


def _accuracies(arms: Mapping[LossInput, Results], comparison: pd.DataFrame) -> Drawn:
    scores: dict[str, pd.DataFrame] = {}
    for loss_input, results in arms.items():
        suffix = f" ({loss_input})" if len(arms) > 1 else ""
        scores |= {f"{label}{suffix}": table for label, table in results.scores.items()}
    replicates = figures.accuracies_on_test(scores)
    # The rows of the comparison are in the order of the points: by loss, then by network.
    named = comparison.assign(network=list(scores))
    means = ", ".join(f"{name} {_mean(values)}" for name, values in replicates.items())
    record = FigureRecord(
        name="accuracy",
        caption=f"Test accuracy. {_LIKE_THESE}",
        alt=f"Test accuracies: {means}.",
    )
    return Drawn(figures.draw_accuracy(named, replicates), record)


def _mean(values: list[float]) -> str:
    return f"{estimate(values).mean:.1%}"
